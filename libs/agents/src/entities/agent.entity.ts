import { Column, Entity, JoinColumn, OneToOne, PrimaryColumn } from 'typeorm';
import { AgentRevisionEntity } from './agent-revision.entity.js';

/** What has the name, and which of its revisions is current. */
@Entity('agents')
export class AgentEntity {
  @PrimaryColumn('uuid') project_id!: string;
  @PrimaryColumn('text') name!: string;
  @Column('int') current_revision!: number;
  @Column('timestamptz') created_at!: Date;
  @Column('uuid', { nullable: true }) created_by_id!: string | null;
  @Column('timestamptz') updated_at!: Date;
  @Column('uuid', { nullable: true }) updated_by_id!: string | null;

  @OneToOne(() => AgentRevisionEntity)
  @JoinColumn([
    { name: 'project_id', referencedColumnName: 'project_id' },
    { name: 'name', referencedColumnName: 'name' },
    { name: 'current_revision', referencedColumnName: 'revision' },
  ])
  current!: AgentRevisionEntity;
}

import { Column, Entity, PrimaryColumn } from 'typeorm';

@Entity('projects')
export class ProjectEntity {
  @PrimaryColumn('uuid') id!: string;
  @Column('text') name!: string;
  @Column('timestamptz') created_at!: Date;
  @Column('boolean') allow_approval_bypass!: boolean;
  @Column('timestamptz') updated_at!: Date;
  @Column('uuid', { nullable: true }) updated_by_id!: string | null;
}

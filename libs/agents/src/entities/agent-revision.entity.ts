import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { AgentContent, Approvals, Drive, Harness } from '../agent-content.rules.js';

@Entity('agent_revisions')
export class AgentRevisionEntity implements AgentContent {
  @PrimaryColumn('uuid') project_id!: string;
  @PrimaryColumn('text') name!: string;
  @PrimaryColumn('int') revision!: number;
  @Column('text') harness!: Harness;
  @Column('text', { nullable: true }) pool!: string | null;
  @Column('text', { nullable: true }) push_url!: string | null;
  @Column('text', { array: true }) labels!: string[];
  @Column('int') max_attempts!: number;
  @Column('text', { nullable: true }) model!: string | null;
  @Column('jsonb') environment!: Record<string, string>;
  @Column('jsonb', { nullable: true }) command!: string[] | null;
  @Column('text') drive!: Drive;
  @Column('text') approvals!: Approvals;
  @Column('timestamptz') created_at!: Date;
  @Column('uuid', { nullable: true }) created_by_id!: string | null;
}

import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { SessionKey } from '@holdfast/platform-postgres';

@Entity('sessions')
export class SessionEntity implements SessionKey {
  @PrimaryColumn('uuid') project_id!: string;
  @PrimaryColumn('text') session_id!: string;
  /** Grows when a deleted session is made again. */
  @Column('int') generation!: number;
  @Column('text', { nullable: true }) name!: string | null;
  @Column('jsonb') labels!: Record<string, string>;
  @Column({ type: 'timestamptz', precision: 3 }) created_at!: Date;
  @Column({ type: 'timestamptz', precision: 3 }) updated_at!: Date;
  @Column({ type: 'timestamptz', precision: 3, nullable: true }) deleted_at!: Date | null;
  @Column('uuid') created_by_id!: string;
  @Column('uuid') updated_by_id!: string;
  @Column('uuid', { nullable: true }) deleted_by_id!: string | null;
  @Column({ type: 'timestamptz', precision: 3, nullable: true }) archived_at!: Date | null;
  @Column('uuid', { nullable: true }) archived_by_id!: string | null;
}

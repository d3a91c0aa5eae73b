import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { KeyKind, Permission } from '../principal.js';

@Entity('api_keys')
export class ApiKeyEntity {
  @PrimaryColumn('uuid') project_id!: string;
  @PrimaryColumn('uuid') id!: string;
  @Column('text') name!: string;
  @Column('text') kind!: KeyKind;
  @Column('text') prefix!: string;
  @Column('bytea') hash!: Buffer;
  @Column('text', { array: true }) permissions!: Permission[];
  @Column('timestamptz', { nullable: true }) expires_at!: Date | null;
  @Column('timestamptz') created_at!: Date;
  @Column('uuid', { nullable: true }) created_by_id!: string | null;
  @Column('timestamptz', { nullable: true }) revoked_at!: Date | null;
  @Column('uuid', { nullable: true }) revoked_by_id!: string | null;
}

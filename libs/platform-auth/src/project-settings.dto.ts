import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsBoolean, IsOptional } from 'class-validator';

/** What a project decides for itself. */
export class ProjectSettings {
  @ApiProperty({
    description: 'Whether turns may run agents with approvals `bypass`, which ask nobody before they act.',
  })
  allow_approval_bypass!: boolean;

  @ApiProperty({ format: 'date-time', description: 'When it was last changed.' })
  updated_at!: string;

  @ApiProperty({ type: String, format: 'uuid', nullable: true, description: 'Who last changed it; null: nobody has.' })
  updated_by_id!: string | null;
}

/** What is left out stays as it is. */
export class ProjectSettingsEdit {
  @ApiPropertyOptional({
    description:
      'Allows agents with approvals `bypass`. Taken back, no turn of them starts any more; one that runs goes on.',
  })
  @IsOptional()
  @IsBoolean()
  allow_approval_bypass?: boolean;
}

import { Body, Controller, Get, Patch } from '@nestjs/common';
import { ApiOkResponse, ApiTags } from '@nestjs/swagger';
import {
  CurrentPrincipal,
  Permit,
  ProjectSettings,
  ProjectSettingsService,
  ProjectSettingsEdit,
  type Principal,
} from '@holdfast/platform-auth';
import { ApiProblems } from '@holdfast/platform-http';

@ApiTags('project')
@Controller('v1/project')
export class ProjectController {
  constructor(private readonly settings: ProjectSettingsService) {}

  /** What the project of the key decides for itself. */
  @Get('settings')
  @Permit('VIEW_SESSIONS')
  @ApiOkResponse({ type: ProjectSettings, description: 'The settings as they are.' })
  @ApiProblems()
  fetchProjectSettings(@CurrentPrincipal() { project_id }: Principal): Promise<ProjectSettings> {
    return this.settings.fetch(project_id);
  }

  /** Changes what the body names. */
  @Patch('settings')
  @Permit('MANAGE_PROJECT')
  @ApiOkResponse({ type: ProjectSettings, description: 'The settings as they are then.' })
  @ApiProblems()
  editProjectSettings(
    @CurrentPrincipal() { project_id, key_id }: Principal,
    @Body() edit: ProjectSettingsEdit,
  ): Promise<ProjectSettings> {
    return this.settings.edit(project_id, key_id, edit);
  }
}

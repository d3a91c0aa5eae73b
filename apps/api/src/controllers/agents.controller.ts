import { Body, Controller, Get, HttpCode, HttpStatus, Param, Post, Put, Res } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import {
  Agent,
  AgentNotFound,
  AgentPage,
  AgentPath,
  AgentQuery,
  AgentSet,
  AgentsReader,
  AgentsService,
  PushUrlRejected,
} from '@holdfast/agents';
import { CurrentPrincipal, Permit, type Principal } from '@holdfast/platform-auth';
import { ApiProblems, CursorMalformed } from '@holdfast/platform-http';

@ApiTags('agents')
@Controller('v1/agents')
export class AgentsController {
  constructor(
    private readonly service: AgentsService,
    private readonly reader: AgentsReader,
  ) {}

  /** Makes an agent, or a new revision of it when the content differs from the current one. */
  @Put(':name')
  @Permit('MANAGE_PROJECT')
  @ApiCreatedResponse({ type: Agent, description: 'Made.' })
  @ApiOkResponse({ type: Agent, description: 'It existed.' })
  @ApiProblems(PushUrlRejected)
  async setAgent(
    @CurrentPrincipal() { project_id, key_id }: Principal,
    @Param() { name }: AgentPath,
    @Body() body: AgentSet,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Agent> {
    const { agent, created } = await this.service.setAgent({ project_id, by_id: key_id }, name, body);
    void reply.status(created ? HttpStatus.CREATED : HttpStatus.OK);
    return agent;
  }

  @Get(':name')
  @Permit('VIEW_SESSIONS')
  @ApiOkResponse({ type: Agent, description: 'The agent with its current revision.' })
  @ApiProblems(AgentNotFound)
  fetchAgent(@CurrentPrincipal() { project_id }: Principal, @Param() { name }: AgentPath): Promise<Agent> {
    return this.reader.fetchAgent(project_id, name);
  }

  @Post('query')
  @HttpCode(HttpStatus.OK)
  @Permit('VIEW_SESSIONS')
  @ApiOkResponse({ type: AgentPage, description: 'A page of agents.' })
  @ApiProblems(CursorMalformed)
  queryAgents(@CurrentPrincipal() { project_id }: Principal, @Body() query: AgentQuery): Promise<AgentPage> {
    return this.reader.queryAgents(project_id, query);
  }
}

import { Body, Controller, Get, HttpCode, HttpStatus, Param, Patch, Post, Req } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import {
  CurrentPrincipal,
  holds,
  OfSessionByHandler,
  OfTask,
  PermissionDenied,
  Permit,
  SessionAccess,
  type Principal,
} from '@holdfast/platform-auth';
import { ApiProblems, CursorMalformed, Draining } from '@holdfast/platform-http';
import { SessionNotFound } from '@holdfast/platform-postgres';
import { StopTasksFlow } from '@holdfast/sessions';
import {
  SessionTask,
  SessionTaskCreate,
  SessionTaskEdit,
  SessionTaskNameQuery,
  SessionTaskNames,
  SessionTaskPage,
  SessionTaskPath,
  SessionTaskQuery,
  SessionTaskStop,
  SessionTaskStopped,
  TaskEnded,
  TaskExists,
  TaskFollowsTurn,
  TaskLimit,
  TaskNotFound,
  TaskSessionTaken,
  TasksReader,
  TasksService,
  TaskStopping,
  type TaskStop,
} from '@holdfast/sessions-sharing';
import { openRequest } from '../log/open-request.js';

/** Trees of orchestrated agents (docs/reference/tasks.md). */
@ApiTags('session-tasks')
@Controller('v1/sessions/tasks')
export class SessionTasksController {
  constructor(
    private readonly service: TasksService,
    private readonly reader: TasksReader,
    private readonly stopFlow: StopTasksFlow,
    private readonly access: SessionAccess,
    private readonly draining: Draining,
  ) {}

  /** Makes a task: a root, or one under another. The same id under the same parent again is that task. */
  @Post()
  @HttpCode(HttpStatus.CREATED)
  @Permit('RUN_SESSIONS')
  @OfTask({ body: 'parent_task_id', role: 'never' })
  @ApiCreatedResponse({ type: SessionTask, description: 'The task.' })
  @ApiProblems(TaskNotFound, SessionNotFound, TaskExists, TaskLimit, TaskStopping, TaskSessionTaken)
  async createSessionTask(
    @CurrentPrincipal() principal: Principal,
    @Body() create: SessionTaskCreate,
  ): Promise<SessionTask> {
    if (create.session_id !== undefined) {
      if (create.parent_task_id !== undefined) requireSharing(principal);
      await this.access.require(principal, create.session_id, 'full');
    }
    const { task_id } = await this.service.create(principal, create);
    return this.reader.fetch(principal, task_id);
  }

  /** Tasks by their parent, by an ancestor at any height, by their root, by session, by state. */
  @Post('query')
  @HttpCode(HttpStatus.OK)
  @Permit('VIEW_SESSIONS')
  @OfSessionByHandler()
  @ApiOkResponse({ type: SessionTaskPage, description: 'A page of tasks, and what tells of them from then on.' })
  @ApiProblems(TaskNotFound, CursorMalformed)
  querySessionTasks(
    @CurrentPrincipal() principal: Principal,
    @Body() query: SessionTaskQuery,
  ): Promise<SessionTaskPage> {
    return this.reader.query(principal, query);
  }

  /** What tasks are shown as, and nothing that leads to them. Ids that are unknown to the caller are left out. */
  @Post('names')
  @HttpCode(HttpStatus.OK)
  @Permit('VIEW_SESSIONS')
  @OfSessionByHandler()
  @ApiOkResponse({ type: SessionTaskNames, description: 'The names.' })
  @ApiProblems()
  fetchSessionTaskNames(
    @CurrentPrincipal() principal: Principal,
    @Body() { task_ids }: SessionTaskNameQuery,
  ): Promise<SessionTaskNames> {
    return this.reader.names(principal, task_ids);
  }

  /** Cancels the turns of a task and of everything below it, the deepest first. Nothing is started there meanwhile. */
  @Post('cancel')
  @HttpCode(HttpStatus.OK)
  @Permit('RUN_SESSIONS')
  @OfTask({ body: 'task_id' })
  @ApiOkResponse({ type: SessionTaskStopped, description: 'How far it got within 10 s; the rest goes on.' })
  @ApiProblems(TaskNotFound)
  cancelSessionTasks(
    @CurrentPrincipal() principal: Principal,
    @Body() stop: SessionTaskStop,
    @Req() request: FastifyRequest,
  ): Promise<SessionTaskStopped> {
    return this.stop(principal, stop, 'cancel', request);
  }

  /** Kills the sessions of a task and of everything below it, the deepest first. Nothing is started there meanwhile. */
  @Post('kill')
  @HttpCode(HttpStatus.OK)
  @Permit('RUN_SESSIONS')
  @OfTask({ body: 'task_id', role: 'full' })
  @ApiOkResponse({ type: SessionTaskStopped, description: 'How far it got within 10 s; the rest goes on.' })
  @ApiProblems(TaskNotFound)
  killSessionTasks(
    @CurrentPrincipal() principal: Principal,
    @Body() stop: SessionTaskStop,
    @Req() request: FastifyRequest,
  ): Promise<SessionTaskStopped> {
    return this.stop(principal, stop, 'kill', request);
  }

  @Get(':task_id')
  @Permit('VIEW_SESSIONS')
  @OfTask({ params: 'task_id' })
  @ApiOkResponse({ type: SessionTask, description: 'The task.' })
  @ApiProblems(TaskNotFound)
  fetchSessionTask(
    @CurrentPrincipal() principal: Principal,
    @Param() { task_id }: SessionTaskPath,
  ): Promise<SessionTask> {
    return this.reader.fetch(principal, task_id);
  }

  /** Changes what is named and leaves the rest. */
  @Patch(':task_id')
  @Permit('RUN_SESSIONS')
  @OfTask({ params: 'task_id', role: 'never' })
  @ApiOkResponse({ type: SessionTask, description: 'The task as it is now.' })
  @ApiProblems(TaskNotFound, SessionNotFound, TaskEnded, TaskFollowsTurn, TaskSessionTaken)
  async editSessionTask(
    @CurrentPrincipal() principal: Principal,
    @Param() { task_id }: SessionTaskPath,
    @Body() edit: SessionTaskEdit,
  ): Promise<SessionTask> {
    if (edit.session_id !== undefined) {
      requireSharing(principal);
      await this.access.require(principal, edit.session_id, 'full');
    }
    await this.service.edit(principal, task_id, edit);
    return this.reader.fetch(principal, task_id);
  }

  private async stop(
    principal: Principal,
    { task_id }: SessionTaskStop,
    stopping: TaskStop,
    request: FastifyRequest,
  ): Promise<SessionTaskStopped> {
    // What is stopped is all that descends from it: a share of one session opens none of that.
    await this.access.requireTree(principal, task_id, stopping === 'kill' ? 'full' : 'executor');
    const open = openRequest(request.raw, this.draining);
    try {
      return { task_id, stopping, ...(await this.stopFlow.request(principal, task_id, stopping, open.signal)) };
    } finally {
      open.done();
    }
  }
}

/** Whoever sees a task sees the session that it gets: so to give it one is to share that. Errors: permission_denied. */
function requireSharing(principal: Principal): void {
  if (!holds(principal, 'EDIT_SESSIONS')) throw PermissionDenied({ permission: 'EDIT_SESSIONS' });
}

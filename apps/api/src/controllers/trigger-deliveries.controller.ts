import { Body, Controller, Get, HttpCode, HttpStatus, Param, Post } from '@nestjs/common';
import { ApiOkResponse, ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal, Permit, type Principal } from '@holdfast/platform-auth';
import { ApiProblems, CursorMalformed } from '@holdfast/platform-http';
import {
  TriggerDeliveriesReader,
  TriggerDelivery,
  TriggerDeliveryNotFound,
  TriggerDeliveryPage,
  TriggerDeliveryPath,
  TriggerDeliveryQuery,
} from '@holdfast/sessions-triggers';

@ApiTags('triggers')
@Controller('v1/triggers/deliveries')
export class TriggerDeliveriesController {
  constructor(private readonly reader: TriggerDeliveriesReader) {}

  /** Turns that were started with nobody watching, newest first, and what became of them. */
  @Post('query')
  @HttpCode(HttpStatus.OK)
  @Permit('VIEW_SESSIONS')
  @ApiOkResponse({ type: TriggerDeliveryPage, description: 'A page of deliveries.' })
  @ApiProblems(CursorMalformed)
  queryTriggerDeliveries(
    @CurrentPrincipal() { project_id }: Principal,
    @Body() query: TriggerDeliveryQuery,
  ): Promise<TriggerDeliveryPage> {
    return this.reader.query(project_id, query);
  }

  @Get(':delivery_id')
  @Permit('VIEW_SESSIONS')
  @ApiOkResponse({ type: TriggerDelivery, description: 'The delivery.' })
  @ApiProblems(TriggerDeliveryNotFound)
  fetchTriggerDelivery(
    @CurrentPrincipal() { project_id }: Principal,
    @Param() { delivery_id }: TriggerDeliveryPath,
  ): Promise<TriggerDelivery> {
    return this.reader.fetch(project_id, delivery_id);
  }
}

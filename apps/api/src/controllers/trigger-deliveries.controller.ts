import { Body, Controller, Get, HttpCode, HttpStatus, Param, Post } from '@nestjs/common';
import { ApiOkResponse, ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal, OfSessionByHandler, Permit, SessionAccess, type Principal } from '@holdfast/platform-auth';
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
  constructor(
    private readonly reader: TriggerDeliveriesReader,
    private readonly access: SessionAccess,
  ) {}

  /** Turns that were started with nobody watching, newest first, and what became of them. */
  @Post('query')
  @HttpCode(HttpStatus.OK)
  @Permit('VIEW_SESSIONS')
  @OfSessionByHandler({ role: 'never' })
  @ApiOkResponse({ type: TriggerDeliveryPage, description: 'A page of deliveries.' })
  @ApiProblems(CursorMalformed)
  queryTriggerDeliveries(
    @CurrentPrincipal() principal: Principal,
    @Body() query: TriggerDeliveryQuery,
  ): Promise<TriggerDeliveryPage> {
    return this.reader.query(principal.project_id, query, this.access.filter(principal));
  }

  @Get(':delivery_id')
  @Permit('VIEW_SESSIONS')
  @OfSessionByHandler({ role: 'never' })
  @ApiOkResponse({ type: TriggerDelivery, description: 'The delivery.' })
  @ApiProblems(TriggerDeliveryNotFound)
  async fetchTriggerDelivery(
    @CurrentPrincipal() principal: Principal,
    @Param() { delivery_id }: TriggerDeliveryPath,
  ): Promise<TriggerDelivery> {
    const delivery = await this.reader.fetch(principal.project_id, delivery_id);
    const reached = await this.access.reached(principal, [delivery.session_id]);
    if (!reached.has(delivery.session_id)) throw TriggerDeliveryNotFound({ delivery_id });
    return delivery;
  }
}

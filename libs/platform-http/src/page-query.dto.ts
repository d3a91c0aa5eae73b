import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsInt, IsString, Max, MaxLength, Min } from 'class-validator';
import { MayBeAbsent } from './may-be-absent.decorator.js';

/** Which part of a list to answer. Queries extend it or take it in with `IntersectionType`. */
export class PageQuery {
  @ApiPropertyOptional({ description: '`next_cursor` of the page before; absent for the first page.', maxLength: 1024 })
  @MayBeAbsent()
  @IsString()
  @MaxLength(1024)
  cursor?: string;

  @ApiPropertyOptional({ description: 'Most items to answer.', type: 'integer', minimum: 1, maximum: 200, default: 50 })
  @MayBeAbsent()
  @IsInt()
  @Min(1)
  @Max(200)
  limit: number = 50;
}

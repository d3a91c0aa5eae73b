import { ValidateIf } from 'class-validator';

/** Lets a field be left out. Unlike `@IsOptional`, null is refused: it is neither a value nor its absence. */
export const MayBeAbsent = (): PropertyDecorator => ValidateIf((_: object, value: unknown) => value !== undefined);

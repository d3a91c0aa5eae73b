import { Injectable, ValidationPipe, type ArgumentMetadata } from '@nestjs/common';
import type { ValidationError } from 'class-validator';
import { RequestInvalid, pointerStep, type RequestFault } from './http.errors.js';

/** Enough to repair a request by; a hostile body could cause any number. */
const MAX_FAULTS = 50;

/** Validates bodies, queries and parameters by their class. Fields that the class does not name are refused. */
@Injectable()
export class RequestValidationPipe extends ValidationPipe {
  constructor() {
    super({
      whitelist: true,
      forbidNonWhitelisted: true,
      transform: true,
      validationError: { target: false, value: false },
      exceptionFactory: (errors) => RequestInvalid({ errors: faultsOf(errors, '').slice(0, MAX_FAULTS) }),
    });
  }

  /** The parser has removed `__proto__`; what else Nest would delete here may be somebody's data. */
  protected override stripProtoKeys(): void {}

  override async transform(value: unknown, metadata: ArgumentMetadata): Promise<unknown> {
    try {
      return await super.transform(value, metadata);
    } catch (error) {
      // class-transformer calls whatever a nested object has for a constructor. Free-form fields are `AsSent`.
      if (!(error instanceof TypeError)) throw error;
      throw RequestInvalid({ errors: [{ pointer: '', detail: 'a nested object has a key named "constructor"' }] });
    }
  }
}

function faultsOf(errors: ValidationError[], parent: string): RequestFault[] {
  return errors.flatMap(({ property, constraints, children }) => {
    const pointer = parent + pointerStep(property);
    const own = [...new Set(Object.values(constraints ?? {}))].map((detail) => ({ pointer, detail }));
    return [...own, ...faultsOf(children ?? [], pointer)];
  });
}

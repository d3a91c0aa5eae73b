import { applyDecorators } from '@nestjs/common';
import { Transform, Type } from 'class-transformer';

/**
 * Takes a free-form field as it was sent. class-transformer would walk into it, lose keys such as `toString`, and fail
 * on one named `constructor`.
 */
export function AsSent(): PropertyDecorator {
  return applyDecorators(
    // Anything but Object keeps class-transformer from walking.
    Type(() => Boolean),
    Transform(({ obj, key }) => (obj as Record<string, unknown>)[key]),
  );
}

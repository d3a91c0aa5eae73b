import { METHOD_METADATA } from '@nestjs/common/internal';
import { MetadataScanner, ModulesContainer, Reflector } from '@nestjs/core';
import type { INestApplicationContext } from '@nestjs/common';
import { POLICY } from './policy.decorators.js';

/** `Controller.method` of every route that the guard refuses to everybody. An app's test asserts that there is none. */
export function routesWithoutPolicy(app: INestApplicationContext): string[] {
  const reflector = new Reflector();
  const scanner = new MetadataScanner();
  const controllers = [...app.get(ModulesContainer).values()].flatMap((module) => [...module.controllers.values()]);

  return controllers.flatMap(({ metatype }) => {
    if (!metatype) return [];
    const prototype = metatype.prototype as Record<string, () => unknown>;
    return scanner
      .getAllMethodNames(prototype)
      .filter((name) => Reflect.hasMetadata(METHOD_METADATA, prototype[name]!))
      .filter((name) => !reflector.getAllAndOverride(POLICY, [prototype[name]!, metatype]))
      .map((name) => `${metatype.name}.${name}`);
  });
}

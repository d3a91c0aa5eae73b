import { Controller, Get, Module, type DynamicModule, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { routesWithoutPolicy } from '@holdfast/platform-auth';
import { createHttpAdapter } from '@holdfast/platform-http';
import { ApiModule } from '../src/api.module.js';
import { ApiConfig } from '../src/config.js';

@Controller('v1/forgotten')
class ForgottenController {
  @Get()
  fetchForgotten() {
    return {};
  }
}

@Module({ imports: [ApiModule.forRoot(new ApiConfig())], controllers: [ForgottenController] })
class WithForgottenRoute {}

const routesOf = async (module: Type | DynamicModule) =>
  routesWithoutPolicy(await NestFactory.create(module, createHttpAdapter(), { preview: true, logger: false }));

describe('the routes of the api', () => {
  it('all say who may call them', async () => {
    expect(await routesOf(ApiModule.forRoot(new ApiConfig()))).toEqual([]);
  });

  it('are told apart from one that does not', async () => {
    expect(await routesOf(WithForgottenRoute)).toEqual(['ForgottenController.fetchForgotten']);
  });
});

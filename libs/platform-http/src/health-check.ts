/** Something the app cannot serve without. An app lists its checks in `HttpModule.forRoot`. */
export interface HealthCheck {
  /** As `/health/ready` shows it. */
  readonly name: string;
  /** Rejects when it is not usable. Anything over 2 s counts as that. */
  check(): Promise<void>;
}

export const HEALTH_CHECKS = Symbol('HEALTH_CHECKS');

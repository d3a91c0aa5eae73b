/** Something the app depends on. An app lists its checks in `HttpModule.forRoot`. */
export interface HealthCheck {
  /** As `/health/ready` shows it. */
  readonly name: string;
  /** Whether the app is not ready without it. Else it still serves what can do without, and `/health/ready` shows it. */
  readonly isVital: boolean;
  /** Rejects when it is not usable. Anything over 2 s counts as that. */
  check(): Promise<void>;
}

export const HEALTH_CHECKS = Symbol('HEALTH_CHECKS');

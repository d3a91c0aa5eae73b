/** SQL that is true where `column` is a session that may be seen. `bind` takes a value in and gives its placeholder. */
export type SessionFilter = (column: string, bind: (value: unknown) => string) => string;

/** Adds values to those that a statement has. */
export const bindTo = (values: unknown[]) => (value: unknown) => `$${values.push(value)}`;

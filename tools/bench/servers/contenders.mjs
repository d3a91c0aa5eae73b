import { barePostgres } from './bare-postgres.mjs';
import { holdfast } from './holdfast.mjs';
import { loopback } from './loopback.mjs';
import { referenceInMemory, referenceOnFiles } from './reference.mjs';
import { startServices } from './services.mjs';

/**
 * What is measured, by name. A contender has `processes()`, its process ids by part (the first is its main one), `start`
 * and `stop`, and a `connection` for requests or a `databaseUrl`. None of them is started yet.
 */
const MAKERS = {
  holdfast,
  'reference-memory': ({ folder }) => referenceInMemory(folder),
  'reference-file': ({ folder }) => referenceOnFiles(folder),
  loopback: ({ folder }) => loopback(folder),
  postgres: barePostgres,
};
const NEED_SERVICES = ['holdfast', 'postgres'];

/** Resolves to the contenders and what the PostgreSQL under them says of its safety; `undo` takes what stops them. */
export async function prepareContenders({ names, folder, isProfiled, undo }) {
  const needsServices = names.some((name) => NEED_SERVICES.includes(name));
  const services = needsServices ? await startServices(folder, undo) : {};
  const contenders = [];
  for (const name of names) {
    const contender = await MAKERS[name]({ folder, isProfiled, ...services });
    undo.push(() => contender.stop());
    contenders.push(contender);
  }
  return { contenders, settings: services.settings };
}

import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { root } from '../../start/workspace.mjs';

const isForTheCompiler = (file) => /\.d\.ts(\.map)?$|\.tsbuildinfo$/.test(file);

/**
 * Copies what was built of the api and the libraries into a new folder, so that a build in the meantime does not change
 * what is measured. What others made is linked. Gives the folders of the api and of the workers in it.
 */
export function freezeBuild(folder) {
  const libraries = readdirSync(join(root, 'libs')).map((name) => `libs/${name}`);
  const ours = ['apps/api', 'apps/workers', ...libraries].filter((path) => existsSync(join(root, path, 'dist')));
  const modules = join(folder, 'node_modules');
  mkdirSync(modules, { recursive: true });
  for (const name of readdirSync(join(root, 'node_modules'))) {
    if (name !== '@holdfast') symlinkSync(join(root, 'node_modules', name), join(modules, name));
  }
  for (const path of ours) {
    const [from, to] = [join(root, path), join(folder, path)];
    cpSync(join(from, 'dist'), join(to, 'dist'), { recursive: true, filter: (file) => !isForTheCompiler(file) });
    cpSync(join(from, 'package.json'), join(to, 'package.json'));
    if (existsSync(join(from, 'node_modules'))) symlinkSync(join(from, 'node_modules'), join(to, 'node_modules'));
    const link = join(modules, JSON.parse(readFileSync(join(to, 'package.json'), 'utf8')).name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(to, link);
  }
  return { api: join(folder, 'apps/api'), workers: join(folder, 'apps/workers') };
}

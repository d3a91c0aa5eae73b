// node tools/check-generated.mjs: remakes what is generated, and fails when that changes anything against the last commit.
import { execFileSync, spawnSync } from 'node:child_process';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '..');
const GENERATED = ['libs/client/openapi.json', 'libs/client/src/generated', 'docs/reference'];
const git = (...args) => execFileSync('git', [...args, '--', ...GENERATED], { cwd: root, encoding: 'utf8' });

const before = git('status', '--porcelain');
if (before) {
  console.error(`Commit these first, so that a difference can be seen:\n${before}`);
  process.exit(1);
}
const generate = spawnSync(process.execPath, ['tools/generate.mjs'], { cwd: root, stdio: 'inherit' });
if (generate.status !== 0) process.exit(1);

const changed = git('status', '--porcelain');
if (changed) {
  console.error(
    `Generated files are not what the code makes of them. Run npm run generate and commit the result.\n${changed}`,
  );
  console.error(git('diff', '--stat'));
  process.exit(1);
}
console.log('everything generated is up to date');

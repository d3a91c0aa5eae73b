// What the pages run: esbuild bundles it with both clients.
import { HoldfastClient } from '@holdfast/client';
import { programs } from '../public-client/programs.js';
import { viewTree } from './tree-view.js';

declare global {
  interface Window {
    programs: typeof programs;
    HoldfastClient: typeof HoldfastClient;
    viewTree: typeof viewTree;
  }
}

window.programs = programs;
window.HoldfastClient = HoldfastClient;
window.viewTree = viewTree;

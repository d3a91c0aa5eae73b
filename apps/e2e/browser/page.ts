// What the pages run: esbuild bundles it with both clients.
import { HoldfastClient } from '@holdfast/client';
import { programs } from '../public-client/programs.js';

declare global {
  interface Window {
    programs: typeof programs;
    HoldfastClient: typeof HoldfastClient;
  }
}

window.programs = programs;
window.HoldfastClient = HoldfastClient;

/** Where a blob of native transcripts is in the store. The same content of one project is there once. */
export function nativeBlobKey(project_id: string, sha256: string): string {
  return `projects/${project_id}/native/${sha256}`;
}

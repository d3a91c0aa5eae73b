// What a client of before trees of tasks was generated from: today's OpenAPI document without what came with them.
const NEWER_PATHS = /\/sessions\/(tasks|shares|participants\/role-requests)\b/;
/** By schema; `*` in all of them. */
const NEWER_MEMBERS = {
  '*': ['source_task_id', 'detailed_source_type'],
  SessionJoin: ['task', 'names', 'activity', 'tail_offset', 'participants_next_cursor'],
  SessionJoinCreate: ['source_type_format'],
  SessionParticipant: ['selection'],
};

export function olderDocument(text) {
  const document = JSON.parse(text);
  const { paths, components } = document;
  for (const path of Object.keys(paths)) if (NEWER_PATHS.test(path)) delete paths[path];
  for (const [name, schema] of Object.entries(components.schemas)) {
    for (const member of [...NEWER_MEMBERS['*'], ...(NEWER_MEMBERS[name] ?? [])]) {
      delete schema.properties?.[member];
      if (schema.required) schema.required = schema.required.filter((one) => one !== member);
    }
  }
  return JSON.stringify(document);
}

export type Fields = Record<string, unknown>;

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * The text of ACP content blocks, or of what is text already. What is no text leaves a word in its place and is told to
 * `omit`.
 */
export function textOfBlocks(blocks: unknown, omit: (reason: string) => void): string {
  if (typeof blocks === 'string') return blocks;
  if (!Array.isArray(blocks)) return '';
  return blocks.map((block: unknown) => (isFields(block) ? textOfBlock(block, omit) : '')).join('');
}

function textOfBlock(block: Fields, omit: (reason: string) => void): string {
  const { type, text, uri, name } = block;
  switch (type) {
    case 'text':
      return typeof text === 'string' ? text : '';
    case 'resource_link':
      return `[${[name, uri].filter((part) => typeof part === 'string').join(': ')}]`;
    case 'resource': {
      const resource = isFields(block.resource) ? block.resource : {};
      if (typeof resource.text === 'string') return `[${String(resource.uri)}]\n${resource.text}\n`;
    }
  }
  const what = typeof type === 'string' ? type : 'block';
  omit(`It has content that is no text (${what}).`);
  return `[${what}]`;
}

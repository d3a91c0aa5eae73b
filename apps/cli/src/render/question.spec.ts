import { choiceNamed, choicesOf, questionLines } from './question.js';
import { plain } from './style.js';

const option = (kind: string, name: string) => ({ option_id: kind, kind, name });

describe('the choices of a question', () => {
  it('are the decisions that the options allow, in the words of the agent', () => {
    const options = [option('reject_once', 'No'), option('allow_once', 'Yes'), option('allow_always', 'Yes, always')];
    expect(choicesOf({ options })).toEqual([
      { decision: 'allow', label: 'Yes', letter: 'y' },
      { decision: 'allow_always', label: 'Yes, always', letter: 'a' },
      { decision: 'deny', label: 'No', letter: 'n' },
    ]);
  });

  it('always hold a denial, and never a permission that is not offered', () => {
    expect(choicesOf({ options: [option('allow_always', 'Always')] }).map(({ decision }) => decision)).toEqual([
      'allow_always',
      'deny',
    ]);
    expect(choicesOf(null).map(({ decision }) => decision)).toEqual(['deny']);
  });

  it('are named by number or letter, and by nothing else', () => {
    const choices = choicesOf({ options: [option('allow_once', 'Yes'), option('reject_once', 'No')] });
    const decisionOf = (answer: string) => choiceNamed(answer, choices)?.decision;
    expect(['1', 'y', ' Y '].map(decisionOf)).toEqual(['allow', 'allow', 'allow']);
    expect(['2', 'n'].map(decisionOf)).toEqual(['deny', 'deny']);
    expect(['', '0', '3', 'a', 'yes', 'yn'].map(decisionOf)).toEqual(Array(6).fill(undefined));
  });

  it('come with a subject that is cut where it is long, and says so', () => {
    const newText = Array.from({ length: 30 }, (_, index) => `line ${index}`).join('\n');
    const lines = questionLines(
      { tool_call: { title: 'Write', content: [{ type: 'diff', path: 'f', newText }] } },
      plain,
    );
    expect(lines).toHaveLength(15);
    expect(lines.at(-1)).toBe('  … and 18 more lines');
  });
});

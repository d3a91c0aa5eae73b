/** How parts of the output look. */
export interface Style {
  dim: (text: string) => string;
  bold: (text: string) => string;
  good: (text: string) => string;
  bad: (text: string) => string;
  attention: (text: string) => string;
}

const sgr = (on: number, off: number) => (text: string) => (text ? `\u001b[${on}m${text}\u001b[${off}m` : '');
const same = (text: string) => text;

export const coloured: Style = {
  dim: sgr(2, 22),
  bold: sgr(1, 22),
  good: sgr(32, 39),
  bad: sgr(31, 39),
  attention: sgr(33, 39),
};

export const plain: Style = { dim: same, bold: same, good: same, bad: same, attention: same };

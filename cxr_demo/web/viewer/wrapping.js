// Line breaks of the caption under a saved picture, as in `render.captioned`.

/**
 * Breaks a text into lines no wider than `most`: between words, or within a word that is wider.
 * @param {string} text @param {number} most @param {(text: string) => number} widthOf @returns {string[]}
 */
export function wrapped(text, most, widthOf) {
  let last = '';
  /** @type {string[]} */
  const lines = [];
  // no line begins with the dot between two parts or with a percent sign
  for (const word of text.match(/\S+(?: [\u00b7%])*/g) ?? []) {
    const longer = last ? `${last} ${word}` : word;
    if (widthOf(longer) <= most) {
      last = longer;
    } else if (widthOf(word) <= most) {
      lines.push(last);
      last = word;
    } else {
      for (const letter of longer.slice(last.length)) {
        if (widthOf(last + letter) > most) {
          lines.push(last);
          last = '';
        }
        last += letter;
      }
    }
  }
  return [...lines, last].map(line => line.trim()).filter(Boolean);
}

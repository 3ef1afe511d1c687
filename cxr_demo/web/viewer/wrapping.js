// Lines of text under a saved picture.

/**
 * Lines no wider than `most`: broken at spaces, and within a word that is wider by itself.
 * @param {string} text @param {number} most @param {(text: string) => number} widthOf @returns {string[]}
 */
export function wrapped(text, most, widthOf) {
  const lines = [''];
  for (const word of text.split(' ')) {
    const before = lines[lines.length - 1];
    const longer = before ? `${before} ${word}` : word;
    if (widthOf(longer) <= most) { lines[lines.length - 1] = longer; continue; }
    if (before) lines.push('');
    for (const letter of word) {
      const last = lines[lines.length - 1];
      if (last && widthOf(last + letter) > most) lines.push(letter); else lines[lines.length - 1] += letter;
    }
  }
  return lines;
}

// Reads CSV as spreadsheets write it, and writes it (RFC 4180).

const SEPARATORS = [',', ';', '\t', '|'];

/** @param {ArrayBuffer} bytes of a table @returns its text: UTF-16 or UTF-8 by its byte order mark, UTF-8, or else Windows-1252 */
export function decoded(bytes) {
  const [first, second] = new Uint8Array(bytes);
  if (first === 0xff && second === 0xfe) return new TextDecoder('utf-16le').decode(bytes);
  if (first === 0xfe && second === 0xff) return new TextDecoder('utf-16be').decode(bytes);
  try {
    return new TextDecoder('utf-8', {fatal: true}).decode(bytes);
  } catch {
    return new TextDecoder('windows-1252').decode(bytes);
  }
}

/** @param {string} text @returns the separator that divides the header into most cells, outside quotes */
function separatorIn(text) {
  const bare = text.trimStart().split(/\r|\n/, 1)[0].replace(/"[^"]*"/g, '');
  const counts = SEPARATORS.map(separator => bare.split(separator).length);
  return SEPARATORS[counts.indexOf(Math.max(...counts))];
}

/** @param {string} text @returns {string[][]} cells by line; quoted cells may hold commas, line breaks and doubled quotes */
export function parseCsv(text) {
  const separator = separatorIn(text);
  const between = separator === '|' ? '\\|' : separator;
  /** @type {string[][]} */
  const rows = [[]];
  for (const [, quoted, plain, end] of text.replace(/^\ufeff/, '').matchAll(new RegExp(`(?:"((?:[^"]|"")*)"|([^${between}"\\r\\n]*))(${between}|\\r?\\n|\\r|$)`, 'g'))) {
    rows[rows.length - 1].push(quoted?.replaceAll('""', '"') ?? plain);
    if (end === '') break;
    if (end !== separator) rows.push([]);
  }
  return rows.filter(row => row.length > 1 && row.some(cell => cell.trim()));
}

/** @param {string} text @returns a quoted cell; a text that looks like a formula is escaped for spreadsheets */
export const quoted = text => `"${(/^[=+\-@\t\r]/.test(text) ? `'${text}` : text).replaceAll('"', '""')}"`;

/** @param {readonly (readonly string[])[]} rows of cells, already quoted where necessary */
export const csvOf = rows => rows.map(row => `${row.join(',')}\r\n`).join('');

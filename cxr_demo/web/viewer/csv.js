// Reads and writes CSV (RFC 4180).

/** @param {string} text @returns {string[][]} cells by line; quoted cells may hold commas, line breaks and doubled quotes */
export function parseCsv(text) {
  /** @type {string[][]} */
  const rows = [[]];
  for (const [, quoted, plain, end] of text.replace(/^\ufeff/, '').matchAll(/(?:"((?:[^"]|"")*)"|([^,"\r\n]*))(,|\r?\n|$)/g)) {
    rows[rows.length - 1].push(quoted?.replaceAll('""', '"') ?? plain);
    if (end === '') break;
    if (end !== ',') rows.push([]);
  }
  return rows.filter(row => row.length > 1);
}

/** @param {string} text @returns a quoted cell; a text that looks like a formula is escaped for spreadsheets */
export const quoted = text => `"${(/^[=+\-@\t\r]/.test(text) ? `'${text}` : text).replaceAll('"', '""')}"`;

/** @param {readonly (readonly string[])[]} rows of cells, already quoted where necessary */
export const csvOf = rows => rows.map(row => `${row.join(',')}\r\n`).join('');

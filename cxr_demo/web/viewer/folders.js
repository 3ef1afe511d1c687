// Files of a drop or of the folder chooser: folders are walked, and their files that claim to be no film are passed over.

/** @typedef {{files: File[], others: number}} Dropped the files to add, and the number of others in folders */
/**
 * First bytes of films and archives in hexadecimal digits by their place, and the beginnings of DICOM's classes without an image.
 * @typedef {Pick<import('./types.js').About, 'signatures' | 'withoutImage'>} Known
 */

/** File of `explain` that marks a folder as a result. */
const RESULT = 'maps.npz';
const TABLE = /\.(csv|tsv|json)$/i;

/** @param {File} file @returns whether it is a table of boxes by its name */
export const isTable = file => TABLE.test(file.name);

/**
 * The files of a drop or a paste, those of folders in alphabetical order. Call it before the event ends, since the browser
 * then forgets its entries.
 * @param {DataTransfer} carried @param {Known} known @returns {Promise<Dropped>}
 */
export async function filesDropped(carried, known) {
  const items = [...carried.items].filter(item => item.kind === 'file')
    .map(item => ({entry: item.webkitGetAsEntry?.() ?? null, file: item.getAsFile()}));
  const single = items.filter(({entry}) => !entry?.isDirectory).flatMap(({file}) => file ?? []);
  /** @type {File[]} */
  const inFolders = [];
  for (const {entry} of items) if (entry?.isDirectory) inFolders.push(...await walked(entry));
  const {files, others} = await filmsAmong(inFolders, known);
  return {files: [...single, ...files], others};
}

/**
 * Those files of a folder that claim to be films. Hidden files are skipped without being counted, and results of `explain`,
 * whose pictures are no films. Tables count as others: a folder may have many that list no boxes.
 * @param {readonly File[]} files @param {Known} known @returns {Promise<Dropped>}
 */
export async function filmsAmong(files, known) {
  const results = new Set(files.filter(file => file.name === RESULT).map(folderOf));
  const visible = files.filter(file => !results.has(folderOf(file)) && !pathOf(file).split('/').some(part => part.startsWith('.') || part === '__MACOSX'));
  const wanted = await Promise.all(visible.map(file => claimsFilm(file, known)));
  const found = visible.filter((_, i) => wanted[i]);
  return {files: found, others: visible.length - found.length};
}

/** @param {File} file @returns its path in a chosen folder; its name in a dropped one, whose hidden parts are not walked */
const pathOf = file => file.webkitRelativePath || file.name;

/** @param {File} file */
const folderOf = file => pathOf(file).slice(0, -file.name.length);

/** Bytes of a file that hold all signatures, and the class of DICOM. */
const HEAD = 1024;
/** The beginning of the class in DICOM's file meta information, before two bytes of its length. */
const CLASS = '\x02\0\x02\0UI';

/**
 * Whether a file begins as films and archives do. A CD's directory does too, which is known by its name, and so do DICOM's reports
 * and other objects without an image, which are known by their class.
 * @param {File} file @param {Known} known
 */
async function claimsFilm(file, {signatures, withoutImage}) {
  if (file.name.toUpperCase() === 'DICOMDIR') return false;
  try {
    const bytes = [...new Uint8Array(await file.slice(0, HEAD).arrayBuffer())];
    const head = bytes.map(byte => String.fromCharCode(byte)).join('');
    const kind = head.startsWith('DICM', 128) ? head.split(CLASS)[1]?.slice(2) ?? '' : '';
    if (withoutImage.some(start => kind.startsWith(start))) return false;
    const digits = bytes.map(byte => byte.toString(16).padStart(2, '0')).join('');
    return signatures.some(([at, start]) => digits.startsWith(start, 2 * at));
  } catch {
    return true;  // the upload fails too, and says so by the file's name
  }
}

/** @param {FileSystemEntry} entry @returns {Promise<File[]>} the file, or the files below the folder */
async function walked(entry) {
  if (entry.name.startsWith('.')) return [];
  if (entry.isFile) return [await new Promise((done, failed) => /** @type {FileSystemFileEntry} */ (entry).file(done, failed))];
  const reader = /** @type {FileSystemDirectoryEntry} */ (entry).createReader();
  /** @type {FileSystemEntry[]} */
  const entries = [];
  for (;;) {  // a reader gives some entries at a time
    /** @type {FileSystemEntry[]} */
    const some = await new Promise((done, failed) => reader.readEntries(done, failed));
    if (!some.length) break;
    entries.push(...some);
  }
  if (entries.some(one => one.name === RESULT)) return [];
  entries.sort((a, b) => a.name < b.name ? -1 : 1);
  /** @type {File[]} */
  const files = [];
  for (const one of entries) files.push(...await walked(one));
  return files;
}

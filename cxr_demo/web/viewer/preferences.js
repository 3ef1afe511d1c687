// Preferences in the browser's storage, which may be missing in a frame of another site or in a local file.

/** @param {string} name @returns {string | null} */
export function remembered(name) {
  try { return localStorage.getItem(`cxr-${name}`); } catch { return null; }
}

/** @param {string} name @param {string | boolean} value */
export function remember(name, value) {
  try { localStorage.setItem(`cxr-${name}`, String(value)); } catch { /* asked again next time */ }
}

// Sets of inputs, shared by all maps of the same inputs on a page: the selected ones, and those with a name.

const shared = (globalThis.aecoreSelections ??= new Map());
const rowsOfMasks = new WeakMap(); // masks are never changed once they are made, so each is searched once
const NO_ROWS = new Int32Array(0);

export class Selections {
  // Return the one object for inputs of this key; it remembers across pages, and across reloads of the tab.
  static share(key, count) {
    const whole = `${key}:${count}`;
    if (!shared.has(whole)) shared.set(whole, new Selections(whole, count));
    return shared.get(whole);
  }

  // mask: a byte an input, 1 where it is selected; null where none is.
  constructor(key, count) {
    Object.assign(this, { key: `aecore-selections:${key}`, count, mask: null, named: new Map(), listeners: new Set() });
    try {
      for (const [name, bits] of Object.entries(JSON.parse(sessionStorage.getItem(this.key) ?? "{}")))
        this.named.set(name, unpackMask(bits, count));
    } catch {
      /* storage is off, or another program's: begin with none */
    }
  }

  // Call `listener` after each change; returns the function that ends that.
  listen(listener) {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  notify() {
    for (const listener of this.listeners) listener();
  }

  // Select these rows, or add them to the selected ones; no rows at all select nothing.
  select(rows, add = false) {
    const mask = add && this.mask ? this.mask.slice() : new Uint8Array(this.count);
    for (const row of rows) mask[row] = 1;
    this.mask = mask.includes(1) ? mask : null;
    this.notify();
  }

  // Select the rows of a mask again.
  selectMask(mask) {
    this.mask = mask;
    this.notify();
  }

  // Give the selected rows a name; a name in use is taken over.
  saveAs(name) {
    if (!this.mask || !name) return;
    this.named.set(name, this.mask);
    this.store();
  }

  forget(name) {
    this.named.delete(name);
    this.store();
  }

  store() {
    try {
      sessionStorage.setItem(this.key, JSON.stringify(this.pack().named));
    } catch {
      /* storage is off or full: they last as long as the page */
    }
    this.notify();
  }

  // As a message: each mask as the Base64 of its bits, lowest bit first.
  pack() {
    const named = Object.fromEntries([...this.named].map(([name, mask]) => [name, packMask(mask)]));
    return { rows: this.mask ? packMask(this.mask) : "", named };
  }
}

// The rows that are set in a mask, ascending, as Int32Array; of null none. Asked again, it returns the same array.
export function listRows(mask) {
  if (!mask) return NO_ROWS;
  if (!rowsOfMasks.has(mask)) rowsOfMasks.set(mask, collectRows(mask));
  return rowsOfMasks.get(mask);
}

function collectRows(mask) {
  let count = 0;
  for (let i = 0; i < mask.length; i++) count += mask[i];
  const rows = new Int32Array(count);
  for (let i = 0, next = 0; i < mask.length; i++) if (mask[i]) rows[next++] = i;
  return rows;
}

function packMask(mask) {
  const bytes = new Uint8Array(Math.ceil(mask.length / 8));
  mask.forEach((on, i) => (bytes[i >> 3] |= on << (i & 7)));
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}

function unpackMask(text, count) {
  const bytes = atob(text);
  return Uint8Array.from({ length: count }, (_, i) => (bytes.charCodeAt(i >> 3) >> (i & 7)) & 1);
}

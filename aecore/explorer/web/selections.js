// Sets of inputs, shared by all maps of the same inputs on a page: what is selected now, and what was given a name.

const shared = (globalThis.aecoreSelections ??= new Map());

export class Selections {
  // The one object for inputs of this key; it remembers across pages, and across reloads of the tab.
  static of(key, count) {
    const whole = `${key}:${count}`;
    if (!shared.has(whole)) shared.set(whole, new Selections(whole, count));
    return shared.get(whole);
  }

  constructor(key, count) {
    Object.assign(this, { key: `aecore-selections:${key}`, count, rows: null, named: new Map(), listeners: new Set() });
    try {
      for (const [name, bits] of Object.entries(JSON.parse(sessionStorage.getItem(this.key) ?? "{}")))
        this.named.set(name, unpack(bits, count));
    } catch {
      /* storage is off, or another program's: begin with none */
    }
  }

  // Call `listener` after each change; gives the function that ends that.
  listen(listener) {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  changed() {
    for (const listener of this.listeners) listener();
  }

  // Select these rows, or add them to what is selected; none at all selects nothing.
  select(rows, add = false) {
    const mask = add && this.rows ? this.rows.slice() : new Uint8Array(this.count);
    for (const row of rows) mask[row] = 1;
    this.rows = mask.includes(1) ? mask : null;
    this.changed();
  }

  // Show a mask again.
  show(mask) {
    this.rows = mask.slice();
    this.changed();
  }

  // Give what is selected a name; a name in use is taken over.
  name(name) {
    if (!this.rows || !name) return;
    this.named.set(name, this.rows.slice());
    this.keep();
  }

  forget(name) {
    this.named.delete(name);
    this.keep();
  }

  keep() {
    try {
      sessionStorage.setItem(this.key, JSON.stringify(this.packed().named));
    } catch {
      /* storage is off or full: they last as long as the page */
    }
    this.changed();
  }

  // For a message: each mask as the Base64 of its bits, lowest bit first.
  packed() {
    const named = Object.fromEntries([...this.named].map(([name, mask]) => [name, pack(mask)]));
    return { rows: this.rows ? pack(this.rows) : "", named };
  }
}

export const members = (mask) => Array.from(mask.keys()).filter((i) => mask[i]);

function pack(mask) {
  const bytes = new Uint8Array(Math.ceil(mask.length / 8));
  mask.forEach((on, i) => (bytes[i >> 3] |= on << (i & 7)));
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}

function unpack(text, count) {
  const bytes = atob(text);
  return Uint8Array.from({ length: count }, (_, i) => (bytes.charCodeAt(i >> 3) >> (i & 7)) & 1);
}

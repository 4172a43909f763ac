// Settings in the part of the address behind #, so that a link opens the page with them.

// {name: text}
export function readAddress() {
  return Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
}

// Replace the settings in the address, without a new entry in the browser's history.
export function writeAddress(values) {
  const text = new URLSearchParams(values).toString();
  try {
    history.replaceState(history.state, "", text ? `#${text}` : location.pathname + location.search);
  } catch {
    // Safari allows 100 changes in half a minute; the next one that it allows has all settings
  }
}

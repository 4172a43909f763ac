// The entry in the app: Streamlit calls it with the bytes of a pack, of a model or of a map, each anew when it changes.

import { Explorer } from "./explorer.js";
import { readTensors } from "./tensors.js";

const models = (globalThis.aecoreModels ??= new Map()); // the packs that have come, by their token
const waiting = (globalThis.aecoreWaiting ??= new Set()); // explorers whose model has not
const KEPT = 4;

export default function ({ data, parentElement, setStateValue }) {
  const { meta } = readTensors(data);
  if (meta.network) return keepModel(meta.token, data.slice());
  const root = parentElement.querySelector(".explorer-root");
  if (!root.explorer) new Explorer(root, (selections) => setStateValue("selections", selections));
  show(root.explorer, meta.token, data);
  return () => {
    waiting.delete(root.explorer);
    root.explorer.destroy();
    delete root.explorer;
  };
}

function keepModel(token, bytes) {
  models.delete(token);
  models.set(token, bytes);
  if (models.size > KEPT) models.delete(models.keys().next().value);
  for (const explorer of [...waiting]) if (explorer.wanted === token) show(explorer, token, explorer.map_);
}

// The map is drawn at once; what needs the model follows when that has come.
function show(explorer, token, bytes) {
  if (explorer.map_ !== bytes) explorer.setMap(bytes);
  Object.assign(explorer, { wanted: token, map_: bytes });
  if (explorer.shown === token) return;
  if (!models.has(token)) return waiting.add(explorer);
  waiting.delete(explorer);
  explorer.shown = token;
  explorer.setModel(models.get(token));
}

// The entry in the app: Streamlit calls it with the bytes of a map, anew when they change.

import { Explorer } from "./explorer.js";
import { loadModel } from "./models.js";
import { readTensors } from "./tensors.js";

export default function ({ data, parentElement, setStateValue }) {
  if (!data?.length) return; // called early, so that this code is there when the map comes
  const root = parentElement.querySelector(".explorer-root");
  const explorer = root.explorer ?? new Explorer(root, (selections) => setStateValue("selections", selections));
  const { token } = readTensors(data).meta;
  explorer.setMap(data);
  if (explorer.token !== token) loadModel(explorer, token);
  return () => {
    explorer.destroy();
    delete root.explorer;
  };
}

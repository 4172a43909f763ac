// The explorer of a shipped model: the map, and what is decoded under the pointer; without tools and panels.

import { Explorer } from "../../aecore/explorer/web/explorer.js";
import { loadModel } from "../../aecore/explorer/web/models.js";
import { readTensors } from "../../aecore/explorer/web/tensors.js";

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".explorer-root");
  if (root.explorer) return; // a map from a file never changes
  const explorer = new Explorer(root);
  explorer.map.useTool("look");
  loadModel(explorer, readTensors(data).meta.token); // while the map is drawn
  explorer.setMap(data);
  return () => {
    explorer.destroy();
    delete root.explorer;
  };
}

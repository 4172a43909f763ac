// The entry of a static page.

import { openStaticPage } from "./static_page.js";

openStaticPage();

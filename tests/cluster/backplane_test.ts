/** Every backplane passes the suite of the interface. */

import { testBackplane } from "../helpers/backplane_conformance.ts";
import { BACKPLANES } from "../helpers/backplanes.ts";

for (const kind of BACKPLANES) testBackplane(kind);

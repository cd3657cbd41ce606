// <tellers-tally chamber="ga" vote="es-11-1" lang="fr" theme="dark">fallback</tellers-tally>
//
//   <script type="module" src="https://…/elements/tellers-tally.v1.js" crossorigin></script>
//
// A live tally in any page, without a frame. Attributes `chamber` (ga), `vote`, `lang`
// (the page's own), `theme` (light, dark; else the reader's), `pause`. Events on the
// element: `tellers-tally:update` (detail: the tally), `:final`, `:stale`. Parts to style:
// `card`, `footer`. What stands inside the tag is shown until there is a tally.

import "/web/element/element.js";

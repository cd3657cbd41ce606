// What only the page /status says, in the six languages; the rest is in ../words.js.

const en = {
  in_log: "Events in the log",
  counted: "Counted",
  counted_all: "all of them",
  behind: { one: "{n} event behind", other: "{n} events behind" },
  epoch: "Epoch of the log",
  checkpoint: "Last checkpoint",
  checkpoint_at: "of {n} events, {time}",
  no_checkpoint: "none yet",
  signing_key: "The key that signs",
  no_key: "No checkpoint has been signed yet, so there is no key to show.",
  made_up: "This key was made up when the system first started. Nobody has vouched for it.",
  compare: "This fingerprint is what a certificate’s must be compared with. Better still, ask for it another way.",
  unreachable: "The gateway has not answered since {time}. What follows was true then.",
  why_held: "{reason}. The figures shown are the last good ones.",
};

const fr = {
  in_log: "Événements dans le journal",
  counted: "Comptés",
  counted_all: "tous",
  behind: {
    one: "{n} événement de retard",
    many: "{n} d’événements de retard",
    other: "{n} événements de retard",
  },
  epoch: "Époque du journal",
  checkpoint: "Dernier point de contrôle",
  checkpoint_at: "de {n} événements, {time}",
  no_checkpoint: "aucun pour l’instant",
  signing_key: "La clé qui signe",
  no_key: "Aucun point de contrôle n’a encore été signé : il n’y a pas de clé à montrer.",
  made_up:
    "Cette clé a été créée au premier démarrage du système. Personne ne s’en est porté garant.",
  compare: "C’est à cette empreinte que doit être comparée celle d’un certificat. Mieux : demandez-la par une autre voie.",
  unreachable:
    "La passerelle ne répond plus depuis {time}. Ce qui suit était vrai à ce moment-là.",
  why_held: "{reason}. Les chiffres affichés sont les derniers sûrs.",
};

const es = {
  in_log: "Eventos en el registro",
  counted: "Contados",
  counted_all: "todos",
  behind: {
    one: "{n} evento de retraso",
    many: "{n} de eventos de retraso",
    other: "{n} eventos de retraso",
  },
  epoch: "Época del registro",
  checkpoint: "Último punto de control",
  checkpoint_at: "de {n} eventos, {time}",
  no_checkpoint: "ninguno todavía",
  signing_key: "La clave que firma",
  no_key: "Aún no se ha firmado ningún punto de control: no hay clave que mostrar.",
  made_up:
    "Esta clave se creó al arrancar el sistema por primera vez. Nadie ha respondido por ella.",
  compare: "Con esta huella debe compararse la de un certificado. Mejor aún: pídala por otra vía.",
  unreachable:
    "La pasarela no responde desde {time}. Lo que sigue era cierto en ese momento.",
  why_held: "{reason}. Las cifras mostradas son las últimas correctas.",
};

const ru = {
  in_log: "Событий в журнале",
  counted: "Подсчитано",
  counted_all: "все",
  behind: {
    one: "отставание на {n} событие",
    few: "отставание на {n} события",
    many: "отставание на {n} событий",
    other: "отставание на {n} события",
  },
  epoch: "Эпоха журнала",
  checkpoint: "Последняя контрольная точка",
  checkpoint_at: "событий: {n}, {time}",
  no_checkpoint: "пока нет",
  signing_key: "Ключ, которым подписывается",
  no_key: "Ни одна контрольная точка ещё не подписана: показать ключ нельзя.",
  made_up: "Этот ключ создан при первом запуске системы. За него никто не поручился.",
  compare: "С этим отпечатком сравнивают отпечаток в свидетельстве. Ещё лучше узнать его иным путём.",
  unreachable: "Шлюз не отвечает с {time}. Всё ниже было верно на тот момент.",
  why_held: "{reason}. Показаны последние верные цифры.",
};

const ar = {
  in_log: "الأحداث في السجل",
  counted: "المعدود منها",
  counted_all: "جميعها",
  behind: {
    zero: "لا تأخر",
    one: "متأخر بحدث واحد",
    two: "متأخر بحدثين",
    few: "متأخر بـ{n} أحداث",
    many: "متأخر بـ{n} حدثًا",
    other: "متأخر بـ{n} حدث",
  },
  epoch: "حقبة السجل",
  checkpoint: "آخر نقطة تحقق",
  checkpoint_at: "عدد الأحداث {n}، {time}",
  no_checkpoint: "لا توجد بعد",
  signing_key: "المفتاح الموقِّع",
  no_key: "لم توقَّع أي نقطة تحقق بعد، فلا مفتاح يُعرض.",
  made_up: "أُنشئ هذا المفتاح عند أول تشغيل للنظام، ولم يضمنه أحد.",
  compare: "بهذه البصمة تُقارن بصمة الشهادة. والأفضل أن تحصل عليها من طريق آخر.",
  unreachable: "لم تُجب البوابة منذ {time}. ما يلي كان صحيحًا آنذاك.",
  why_held: "{reason}. الأرقام المعروضة هي آخر ما صحّ.",
};

const zh = {
  in_log: "记录中的事件",
  counted: "已计入",
  counted_all: "全部",
  behind: { other: "落后{n}个事件" },
  epoch: "记录的纪元",
  checkpoint: "最新检查点",
  checkpoint_at: "{n}个事件，{time}",
  no_checkpoint: "尚无",
  signing_key: "签名密钥",
  no_key: "尚未签署任何检查点，因此没有密钥可显示。",
  made_up: "此密钥是系统首次启动时自行生成的，无人为其作保。",
  compare: "证书的指纹应与此指纹比对。最好另行索取。",
  unreachable: "网关自{time}起没有应答。以下是当时的情况。",
  why_held: "{reason}。所示数字为最后的可靠数字。",
};

export const WORDS = { en, fr, es, ru, ar, zh };

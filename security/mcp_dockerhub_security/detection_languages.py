"""The commonest attack, setting earlier instructions aside, in languages other than English."""

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from mcp_dockerhub_security.detection_forms import flatten, fold

WINDOW: Final = 9
"""Words within which the verb, which instructions, and the word for them must stand, in any order."""
_WHOLE: Final = 4
"""Letters up to which a word of the table is whole; longer ones are beginnings."""

# One language a block: verbs, which, instructions.
_TABLE: Final = """
ignorier missacht vergiss vergesst vergessen übergeh verwirf verwerft
vorherig vorangegangen vorangehend bisherig obige früher alle aller sämtlich deine ihre
anweisung instruktion befehl vorgabe anleitung prompt regeln

ignore ignorez ignorer oublie oubliez oublier néglige négligez contourne
précédent antérieur dessus toutes tous préalable vos tes
instruction consigne directive ordre règle prompt

ignora ignore ignorad ignorar olvida olvide olvidar descarta descarte omite omita
anterior previa previo todas todos arriba tus sus
instruccion indicacion orden directric regla prompt

ignore ignora ignorar esqueça esquece esquecer desconsidere desconsidera
anterior prévia todas todos acima suas tuas
instruç orientaç ordem ordens diretriz regra prompt

ignora ignorate ignorare dimentica dimenticate trascura
precedent anterior tutte tutti sopra tue vostre
istruzion direttiv comand indicazion regole prompt

negeer vergeet
vorige eerdere voorgaande alle bovenstaande jouw
instructie opdracht aanwijzing regels prompt

zignoruj ignoruj zapomnij pomiń
poprzedni wcześniejsz wszystki powyższ twoje
instrukcj poleceni wytyczn zasad

игнорируй игнорируйте игнорировать проигнорируй забудь забудьте отбрось
предыдущ прежн все всё вышеуказ твои ваши
инструкц указани команд правила промпт

ігноруй ігноруйте проігноруй забудь забудьте відкинь
попередн усі всі вищезазначен
інструкц вказівк правила команди

yoksay unut aldırma ardı
önceki tüm bütün yukarıdaki
talimat yönerge komut kural

bỏ quên phớt
trước trên tất
hướng chỉ lệnh quy

abaikan lupakan hiraukan
sebelumnya semua atas
instruksi perintah petunjuk aturan

تجاهل انس أهمل
السابقة السابق جميع كل أعلاه
التعليمات تعليمات الأوامر القواعد التوجيهات

התעלם התעלמי התעלמו שכח
הקודמות כל הקודם לעיל
הוראות ההוראות הנחיות ההנחיות
"""

_CHINESE: Final = (
    "(?:忽略|忽视|无视|無視|忘记|忘記|忘掉|不要理会|不要遵循|不要遵守|抛弃|丢弃).{0,12}"
    "(?:之前|以前|先前|前面|此前|以上|上述|上面|所有|全部|原有|系统|系統).{0,10}"
    "(?:指令|指示|提示|说明|說明|命令|规则|規則|要求|设定|设置)"
)
_JAPANESE: Final = (
    "(?:以前|前|これまで|上記|先ほど|すべて|全て|今まで).{0,14}"
    "(?:指示|命令|プロンプト|ルール|指令|設定).{0,12}(?:無視|忘れ|破棄|従わな)"
)
_KOREAN: Final = "(?:이전|앞선|앞의|위의|모든|기존).{0,14}(?:지시|명령|지침|프롬프트|규칙).{0,12}(?:무시|잊|따르지)"
_THAI: Final = "(?:เพิกเฉย|ละเว้น|ไม่ต้องสนใจ|ลืม).{0,24}(?:คำสั่ง|คำแนะนำ)"
_HINDI: Final = "(?:पिछले|पिछली|सभी|पूर्व).{0,24}(?:निर्देश|आदेश|नियम).{0,24}(?:अनदेखा|नज़रअंदाज़|भूल|उपेक्षा)"
_COMPOSED: Final = (unicodedata.normalize("NFKC", text) for text in (_CHINESE, _JAPANESE, _KOREAN, _THAI, _HINDI))
UNSPACED: Final = tuple(map(re.compile, _COMPOSED))
"""For scripts whose words do not stand apart, or not in letters alone; matched on composed text (NFKC)."""


@dataclass(frozen=True, slots=True)
class Language:
    """Beginnings of words, folded as the text is, so that accents need no second thought."""

    verbs: tuple[str, ...]
    which: tuple[str, ...]
    orders: tuple[str, ...]


def _languages() -> tuple[Language, ...]:
    blocks = (block.splitlines() for block in _TABLE.strip().split("\n\n"))
    return tuple(Language(*(tuple(flatten(fold(line)).split()) for line in block)) for block in blocks)


LANGUAGES: Final = _languages()
VERBS: Final = frozenset(verb for language in LANGUAGES for verb in language.verbs)


def sets_aside(words: list[str]) -> bool:
    """Whether three words of one language that set instructions aside stand together."""
    return any(_in_language(words, language) for language in LANGUAGES)


def _in_language(words: list[str], language: Language) -> bool:
    for position, word in enumerate(words):
        if _begins(word, language.orders):
            near = words[max(0, position - WINDOW) : position + WINDOW]
            if any(_begins(w, language.verbs) for w in near) and any(_begins(w, language.which) for w in near):
                return True
    return False


def _begins(word: str, beginnings: tuple[str, ...]) -> bool:
    return any(word == start if len(start) <= _WHOLE else word.startswith(start) for start in beginnings)

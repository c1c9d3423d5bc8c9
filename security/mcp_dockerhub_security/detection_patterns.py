"""What instructions to an assistant look like, in words of letters with one space between them.

One *clear* sign is enough; of the *faint* ones, which honest documentation has too, two different ones must stand
close together. English is matched by phrases here, the commonest attack in other languages by ``detection_languages``.
"""

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from mcp_dockerhub_security.detection_forms import fold
from mcp_dockerhub_security.detection_languages import UNSPACED, VERBS, sets_aside

NEAR: Final = 200
"""Characters between two faint signs that belong together."""
CHUNK: Final = 70
OVERLAP: Final = 40
"""Words that are matched at once, and that two neighbours share: longer than any sign, and than NEAR."""
_STEM: Final = 5
_LONGEST: Final = 40
"""Letters of a word that are matched."""
_STOP: Final = re.compile(r"[.!?;:](?=\s|$)|\n\s*\n|[\u3002\uff01\uff1f]")
_NOT_WORD_OR_STOP: Final = re.compile(r"[^\w.]+|_|(?<=\S)\.|\.(?=\S)")


@dataclass(frozen=True, slots=True)
class Sign:
    """One thing to look for."""

    kind: str
    needs: tuple[frozenset[str], ...]
    """Beginnings of words, of each set at least one, without which the pattern cannot match."""
    pattern: re.Pattern[str]
    clear: bool = True


def _stems(words: str) -> frozenset[str]:
    return frozenset(word[:_STEM] for word in words.split())


def _sign(kind: str, needs: str, pattern: str) -> Sign:
    return Sign(kind, tuple(map(_stems, needs.split(","))), re.compile(pattern))


def _faint(kind: str, needs: str, pattern: str) -> Sign:
    return Sign(kind, tuple(map(_stems, needs.split(","))), re.compile(pattern), clear=False)


_W: Final = r"(?:\w+ )"
_ASIDE: Final = (
    r"(?:ignor(?:e|es|ing)|disregard(?:s|ing)?|forget(?:ting)?|overrid(?:e|es|ing)|bypass(?:ing)?|discard(?:ing)?"
    r"|neglect|(?:do not|don t|stop) (?:follow|following|obey|obeying)|pay no attention to|supersedes?|replaces?)"
)
_ASIDE_NEEDS: Final = "ignore disregard forget override bypass discard neglect follow obey attention supersede replace"
_ORDERS: Final = (
    r"(?:instructions?|prompts?|directives?|guidelines?|guardrails?|safeguards?|programming|system messages?)"
)
_ORDERS_NEEDS: Final = "instructions prompts directives guidelines guardrails safeguards programming messages"
_SAYINGS: Final = r"(?:rules|commands?|context|messages?|policies|constraints|restrictions|training|text|conversation)"
_AI: Final = (
    r"(?:ai|llms?|ais|language models?|large language models?|chatbots?|claude|chatgpt|gpt|gemini|copilot"
    r"|(?:ai|coding|virtual|automated|helpful|digital) (?:assistants?|agents?|models?|systems?))"
)
_AI_NEEDS: Final = (
    "ai llm llms ais language chatbot claude chatgpt gpt gemini copilot coding virtual automated helpful digital"
)
_PERSON: Final = r"(?:users?|humans?|operators?|customers?|owner|person|people)"
_PERSON_NEEDS: Final = "user users human humans operator customer owner person people"
_SECRET: Final = (
    r"(?:api keys?|credentials?|passwords?|secrets?|access tokens?|auth tokens?|environment variables?|env vars?"
    r"|ssh keys?|private keys?|id rsa|aws credentials|docker config json|kube config|kubeconfig|env file|etc passwd"
    r"|etc shadow)"
)
_SECRET_NEEDS: Final = "api credentials password secrets tokens environment env ssh private rsa config kubeconfig etc"
_OWN: Final = (
    r"(?:system prompt|hidden prompt|initial prompt|(?:your|the) (?:\w+ )?instructions|conversation history"
    r"|chat history|previous messages|entire conversation|this conversation|full context)"
)
_SEND: Final = r"send|post|upload|transmit|exfiltrate|forward|leak|email|submit|deliver|report"
_SEND_NEEDS: Final = "send post upload transmit exfiltrate forward leak email submit deliver report"
_GOOD: Final = r"(?:safe|secure|trusted|official|verified|clean|harmless|free of vulnerabilities|vulnerability free)"
_DO: Final = r"(?:call|invoke|run|execute|fetch|download|visit|open|read|send|delete|use)"

# fmt: off
CLEAR: Final = (
    _sign("override", f"{_ASIDE_NEEDS},{_ORDERS_NEEDS}",
          rf"\b{_ASIDE} {_W}{{0,3}}?(?:all|any|previous|prior|above|earlier|preceding|existing|system|original|your"
          r"|every"
          rf"|other|foregoing|these|those|the) {_W}{{0,4}}?{_ORDERS}\b"),
    _sign("override", f"previous prior preceding earlier your,{_ASIDE_NEEDS}",
          rf"\b{_ASIDE} {_W}{{0,3}}?(?:previous|prior|preceding|earlier|your) {_W}{{0,2}}?{_SAYINGS}\b"),
    _sign("override", f"told came said above before,{_ASIDE_NEEDS}",
          rf"\b{_ASIDE} (?:(?:all|everything|anything|what|whatever|of) )+(?:you (?:were|have been) told|that came"
          r" before"
          r"|(?:was )?said before|above this|before this)\b"),
    _sign("override", "instructions prompt directives,new updated revised real actual",
          r"\b(?:new|updated|revised|real|actual) (?:system )?(?:instructions?|prompt|directives?)"
          r" (?:are|is|follow|below|you|from|for you)\b"),
    _sign("override", "prompt instructions,system hidden secret,begin end start new",
          r"\b(?:begin|end|start|new) (?:of )?(?:the )?(?:system|hidden|secret) (?:prompt|instructions?)\b"),
    _sign("override", "system,override", r"\bsystem (?:override|prompt override)\b"),
    _sign("role", "now,dan jailbroken unrestricted developer debug god admin maintenance root ai assistant agent"
          " chatbot model",
          rf"\byou are now (?:in )?{_W}{{0,3}}?(?:ai|assistant|agent|chatbot|model|dan|jailbroken|unrestricted"
          r"|developer mode|debug mode|god mode|admin mode|maintenance mode|root mode)\b"),
    _sign("role", "act behave respond answer pretend role roleplay pose,ai assistant chatbot language dan administrator"
          " unrestricted uncensored jailbroken",
          r"\b(?:act|behave|respond|answer|pretend|role ?play|pose) (?:to be |as )(?:if you (?:are|were) )?"
          rf"(?:an? |the |my )?{_W}{{0,2}}?(?:ai|assistant|chatbot|language model|dan|administrator with"
          r"|unrestricted|uncensored|jailbroken)\b"),
    _sign("role", "now,from",
          r"\bfrom now on (?:you (?:are an?|will only|must (?:obey|answer|respond|reply|only|act|always)|shall)"
          r"|(?:always |only )?(?:answer|respond|reply|obey))\b"),
    _sign("role", "mode,developer debug god dan admin jailbreak unrestricted,enter enable activate switch",
          r"\b(?:enter|enable|activate|switch to) (?:developer|debug|god|dan|admin|jailbreak|unrestricted) mode"
          r" (?:and (?:ignore|answer|respond|do)|now|for this|you|in which)\b"),
    _sign("addressed", f"{_AI_NEEDS},attention note notice message instructions important warning reminder hint memo"
          " directive",
          r"\b(?:attention|note|notice|message|instructions?|important|warning|reminder|hint|memo|directive)"
          rf" (?:to|for) (?:all |any |the |every )?{_AI}\b"),
    _sign("addressed", f"{_AI_NEEDS},you,if when since because as",
          rf"\b(?:if|when|since|because|as) you (?:are|re) (?:an? |the )?{_AI}\b"),
    _sign("addressed", f"{_AI_NEEDS},dear hey hello hi attention listen", r"\b(?:dear|hey|hello|hi|attention"
                                                                          rf"|listen) {_AI}\b"),
    _sign("addressed", f"{_AI_NEEDS},must shall required instructed this",
          rf"\b{_AI} (?:must|shall|(?:are|is) (?:required|instructed) to|(?:(?:that|which|who) )?(?:(?:is|are)"
          r" )?(?:reading"
          r"|processing|summari[sz]ing|analy[sz]ing|reads?|process(?:es)?) this)\b"),
    _sign("secrecy", f"tell telling mention inform reveal disclose,{_PERSON_NEEDS}",
          r"\b(?:do not|don t|never|must not|avoid|without) (?:ever )?(?:tell|telling|mention|mentioning|inform"
          rf"|informing|reveal|revealing|disclose|disclosing) {_W}{{0,4}}?{_PERSON}\b"),
    _sign("secrecy", f"secret hidden secretly silently quietly hide,{_PERSON_NEEDS}",
          r"\b(?:(?:keep|do) (?:this|that|it|all of this) (?:\w+ )?(?:secret|hidden|secretly|silently|quietly)"
          rf" {_W}{{0,2}}?|hide (?:this|that|it) from (?:the )?){_PERSON}\b"),
    _sign("exfiltration", "prompt instructions history messages conversation context,reveal print output repeat show"
                          " share"
          f" disclose dump recite {_SEND_NEEDS}",
          rf"\b(?:reveal|print|output|repeat|show|share|disclose|dump|recite|{_SEND}) (?:me |us )?"
          rf"(?:(?:the|your|all|of|full|entire) )*{_OWN}\b"),
    _sign("exfiltration", f"http https www attacker webhook evil pastebin ngrok this,{_SEND_NEEDS},{_SECRET_NEEDS}",
          rf"\b(?:{_SEND}) {_W}{{0,5}}?{_SECRET} {_W}{{0,5}}?(?:to|at|via) {_W}{{0,3}}?"
          r"(?:https?|www|attacker|webhook|evil|pastebin|ngrok|this (?:url|address|endpoint|server))\b"),
    _sign("exfiltration", f"{_SEND_NEEDS} curl include append paste put encode add,read cat open collect gather find"
                          " copy"
          f" get take fetch,{_SECRET_NEEDS}",
          rf"\b(?:read|cat|open|collect|gather|find|copy|get|take|fetch) {_W}{{0,6}}?{_SECRET} {_W}{{0,6}}?(?:and|then)"
          rf" {_W}{{0,2}}?(?:{_SEND}|curl|include|append|paste|put|encode|add)\b"),
    _sign("exfiltration", f"your image query link url,include append put encode embed place,{_SECRET_NEEDS}",
          rf"\b(?:include|append|put|encode|embed|place) {_W}{{0,4}}?{_SECRET} {_W}{{0,5}}?"
          r"(?:your (?:answer|reply|response|next)|image url|the url of|query string of|a link to)\b"),
    _sign("steering", "report say state claim mark classify rate treat describe declare conclude confirm,safe secure"
                      " trusted"
          " official verified clean harmless free vulnerability,image container repository package publisher tag",
          r"\b(?:report|say|state|claim|mark|classify|rate|treat|describe|declare|conclude|confirm) (?:that"
          r" )?(?:this|the)"
          rf" (?:\w+ )?(?:image|container|repository|package|publisher|tag) (?:as|is|to be) (?:\w+ )?{_GOOD}\b"),
    _sign("steering", "recommend,this",
          r"\b(?:always|only|must|should) recommend this (?:image|repository|container|package)"
          r" (?:over|instead|first|to|and|above|as)\b"),
    _sign("tool_use", "docker mcp,delete create update set push build,call invoke run execute use",
          r"\b(?:call|invoke|run|execute|use) (?:the )?(?:tool |function )?(?:docker (?:delete|create|update|set|push)"
          r"|mcp (?:push|build)) (?:\w+ )?(?:tag|tags|repository|image|immutable)\b"),
    _sign("tool_use", "answer answering reply replying respond responding summarize summarise summarizing,before"
          " instead when while",
          r"\b(?:before|instead of|when|while) (?:you )?(?:answer|answering|reply|replying|respond|responding"
          r"|summari[sz]e|summari[sz]ing)(?: (?:the|this|any))?(?: (?:user s?|question|request))?"
          rf" {_W}{{0,4}}?{_DO}\b"),
)

FAINT: Final = (
    _faint("secrecy", f"without never,asking ask notify notifying show showing warn warning alert"
           f" consulting,{_PERSON_NEEDS}",
           r"\b(?:without (?:asking|notifying|showing|warning|alerting|consulting)|(?:don t|do not|never) (?:ask"
           r"|notify|show"
           rf"|warn|alert)) {_W}{{0,2}}?{_PERSON}\b"),
    _faint("secrecy", "secretly silently covertly quietly discreetly", r"\b(?:secretly|silently|covertly|quietly"
                                                                       r"|discreetly)\b"),
    _faint("steering", f"tell inform assure convince persuade advise instruct urge,{_PERSON_NEEDS}",
           rf"\b(?:tell|inform|assure|convince|persuade|advise|instruct|urge) (?:the )?{_PERSON} (?:that|to)\b"),
    _faint("tool_use", "tool function,call invoke use execute",
           r"\b(?:call|invoke|use|execute) (?:the |your |any )?\w+ (?:tool|function)\b"),
    _faint("tool_use", "must will should have need,first now immediately always then,you",
           r"\byou (?:must|will|should|have to|need to) (?:first|now|immediately|always|then)"
           r" (?:call|invoke|run|execute|visit|open|fetch|send|reply|respond|answer|say|output|print)\b"),
    _faint("tool_use", "answering responding replying continuing anything,before",
           r"\bbefore (?:answering|responding|replying|continuing|doing anything)\b"),
    _faint("addressed", f"{_AI_NEEDS},are as", rf"\b(?:you are|as) an? {_AI}\b"),
    _faint("addressed", "answer reply response summary,must should shall has",
           r"\b(?:your|the) (?:answer|reply|response|summary) (?:must|should|shall|has to)\b"),
    _faint("role", "im inst start endoftext sys,system user assistant you",
           r"\b(?:im start|im end|inst|start header id|endoftext|sys) (?:system|user|assistant|you)\b"),
    _faint("role", "jailbreak injection prompt developer", r"\b(?:jailbreak|prompt injection|system prompt|developer"
                                                           r" mode)\b"),
    _faint("override", "overrides override precedence priority,instruction message rule order command",
           r"\b(?:this|these) (?:instruction|message|rule|order|command)s? (?:overrides?|takes? precedence"
           r"|ha(?:s|ve) (?:the )?(?:highest|top) priority)\b"),
    _faint("override", "priority,highest top maximum",
           r"\b(?:highest|top|maximum) priority (?:instruction|message|order|command|directive)\b"),
    _faint("exfiltration", f"{_SEND_NEEDS},{_SECRET_NEEDS}", rf"\b(?:{_SEND}) {_W}{{0,5}}?{_SECRET}\b"),
    _faint("exfiltration", "exfiltrate webhook pastebin ngrok requestbin interact",
           r"\b(?:exfiltrate|webhook site|pastebin|ngrok|requestbin|interact sh)\b"),
)
# fmt: on


_VERBS: Final = frozenset(verb[:_STEM] for verb in VERBS)


def _masks() -> tuple[dict[str, int], tuple[int, ...], int]:
    """Of each word's beginning the sets it is in, as bits; of each sign the bits of its sets; the bit of foreign"
    " verbs."""
    bits: dict[str, int] = {}
    signs: list[int] = []
    bit = 1
    for sign in SIGNS:
        signs.append(0)
        for need in sign.needs:
            for stem in need:
                bits[stem] = bits.get(stem, 0) | bit
            signs[-1] |= bit
            bit <<= 1
    for verb in _VERBS:
        bits[verb] = bits.get(verb, 0) | bit
    return bits, tuple(signs), bit


SIGNS: Final = CLEAR + FAINT
_BITS, _SIGN_BITS, _FOREIGN = _masks()
_STEMS: Final = frozenset(_BITS)


def kind_of(text: str, words: list[str], stems: set[str]) -> str:
    """The kind of the first clear sign, of two faint ones that stand together, or empty.

    ``words`` are those of ``text``, ``stems`` their first five letters. Only stretches that can match are matched.
    """
    if not _suspect(stems):
        return ""
    if len(words) <= CHUNK:
        return _kind_of_chunk(words)
    words = _sentences(text)
    chunks = (words[start : start + CHUNK] for start in range(0, len(words) - OVERLAP, CHUNK - OVERLAP))
    return next(filter(None, map(_kind_of_chunk, chunks)), "")


def _sentences(text: str) -> list[str]:
    """Words with a stop after each sentence and paragraph, which no pattern reaches across.

    Not for short texts: there a stop may be put in for just that.
    """
    return _NOT_WORD_OR_STOP.sub(" ", _STOP.sub(" . ", fold(text))).split()


def kind_of_unspaced(text: str) -> str:
    """The same for scripts that ``kind_of`` cannot split into words; ``text`` is NFKC."""
    return "override" if any(pattern.search(text) for pattern in UNSPACED) else ""


def _suspect(stems: set[str]) -> int:
    """Which signs could match, as bits, the foreign verbs' included; 0 for nearly all text."""
    mask = 0
    for stem in _STEMS & stems:
        mask |= _BITS[stem]
    if mask & _FOREIGN or any(mask & bits == bits for bits in _SIGN_BITS):
        return mask
    return 0


def _kind_of_chunk(words: list[str]) -> str:
    mask = _suspect({word[:_STEM] for word in words})
    if not mask:
        return ""
    text = " ".join(word[:_LONGEST] for word in words)
    possible = [sign for sign, bits in zip(SIGNS, _SIGN_BITS, strict=True) if mask & bits == bits]
    for sign in possible:
        if sign.clear and sign.pattern.search(text):
            return sign.kind
    return _together(possible, text) or ("override" if mask & _FOREIGN and sets_aside(words) else "")


def _together(signs: list[Sign], text: str) -> str:
    faint = [sign for sign in signs if not sign.clear]
    if len(faint) < 2:
        return ""
    matches = ((match.start(), number) for number, sign in enumerate(faint) for match in sign.pattern.finditer(text))
    found = sorted(matches)
    for (start, number), (later, other) in pairwise(found):
        if number != other and later - start <= NEAR:
            return faint[other].kind
    return ""

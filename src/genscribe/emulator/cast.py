"""Who calls, from where, about how much: what the dialogues' placeholders may stand for. Pure, invented.

Telephone numbers are of the ranges that are kept free for fiction, addresses end in example domains.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random  # noqa: TID251 - seeded: the same seed plays the same script


@dataclass(frozen=True)
class Locale:
    """Names and forms of one language. `money` and `date` make text of (whole, cents) and (day, month name)."""

    agents: Sequence[str]
    customers: Sequence[str]
    surnames: Sequence[str]
    cities: Sequence[str]
    streets: Sequence[str]
    weekdays: Sequence[str]
    months: Sequence[str]
    money: str
    date: str
    time: str = "{hour}:{minute:02}"


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_ENGLISH_DAYS = _words("Monday Tuesday Wednesday Thursday Friday Saturday")
_ENGLISH_MONTHS = _words("January February March April May June July August September October November December")

LOCALES: Mapping[str, Locale] = {
    "en-US": Locale(
        agents=_words("Maya Derek Priya Jordan Alicia Tom Renee Marcus Holly Andre Naomi Luis"),
        customers=_words("Dana Walter Grace Kevin Rosa Simone Peter Amara Judith Leo Wendy Omar"),
        surnames=_words("Hollis Okafor Brandt Nguyen Castillo Whitaker Moreau Lindqvist Abrams Patel Delgado Foster"),
        cities=("Duluth", "Tacoma", "Santa Fe", "Asheville", "Des Moines", "Portland", "Savannah", "Boise"),
        streets=("Juniper Lane", "Cooper Street", "Harrison Avenue", "Mill Road", "Lakeshore Drive", "Second Street"),
        weekdays=_ENGLISH_DAYS,
        months=_ENGLISH_MONTHS,
        money="${whole}.{cents:02}",
        date="{month} {day}",
    ),
    "en-GB": Locale(
        agents=_words("Imogen Callum Nisha Gareth Beth Rory Farah Alistair Megan Kwame"),
        customers=_words("Hilary Graham Yasmin Colin Fiona Tunde Maureen Ewan Bridget Sanjay"),
        surnames=_words("Ashworth Mensah Pritchard Kapoor Drummond Fairley Osborne Sinclair Hughes Bello"),
        cities=_words("Leeds Exeter Norwich Dundee Swansea York Lincoln Bath"),
        streets=("Orchard Close", "Station Road", "Mill Lane", "Albert Street", "Church Walk", "Priory Gardens"),
        weekdays=_ENGLISH_DAYS,
        months=_ENGLISH_MONTHS,
        money="£{whole}.{cents:02}",
        date="{day} {month}",
    ),
    "es-ES": Locale(
        agents=_words("Lucía Álvaro Carmen Sergio Inés Rubén"),
        customers=_words("Pilar Javier Rocío Manuel Elena Tomás"),
        surnames=_words("Ortega Vidal Romero Iglesias Navarro Soler"),
        cities=_words("Zaragoza Murcia Oviedo Cádiz Gijón Valencia"),
        streets=("calle del Olmo", "calle Mayor", "avenida de la Paz", "plaza de la Fuente"),
        weekdays=_words("lunes martes miércoles jueves viernes sábado"),
        months=_words("enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre"),
        money="{whole},{cents:02} euros",
        date="{day} de {month}",
    ),
    "de-DE": Locale(
        agents=_words("Jana Thorsten Miriam Felix Aylin Jonas"),
        customers=_words("Ute Matthias Katrin Dieter Selma Bernd"),
        surnames=_words("Krüger Hoffmann Yilmaz Lindner Baumann Schreiber Vogt"),
        cities=_words("Kassel Lübeck Freiburg Erfurt Bremen Würzburg"),
        streets=("Lindenweg", "Bahnhofstraße", "Am Mühlbach", "Goethestraße"),
        weekdays=_words("Montag Dienstag Mittwoch Donnerstag Freitag Samstag"),
        months=_words("Januar Februar März April Mai Juni Juli August September Oktober November Dezember"),
        money="{whole},{cents:02} Euro",
        date="{day}. {month}",
    ),
    "fr-FR": Locale(
        agents=_words("Camille Hugo Inès Théo Manon Karim"),
        customers=_words("Sylvie Antoine Nadia Gilles Chloé Marc"),
        surnames=_words("Lefèvre Benali Girard Morel Chevalier Faure"),
        cities=_words("Nantes Dijon Rennes Grenoble Tours Amiens"),
        streets=("rue des Lilas", "avenue Pasteur", "rue du Moulin"),
        weekdays=_words("lundi mardi mercredi jeudi vendredi samedi"),
        months=_words("janvier février mars avril mai juin juillet août septembre octobre novembre décembre"),
        money="{whole},{cents:02} €",
        date="{day} {month}",
    ),
    "ja-JP": Locale(
        agents=_words("佐藤 鈴木 中村 小林 井上"),
        customers=_words("陽子 健太 美咲 大輔 由美"),
        surnames=_words("田中 山本 渡辺 高橋 石川 森田"),
        cities=_words("仙台市 金沢市 松山市 奈良市 盛岡市"),
        streets=_words("本町三丁目 緑ヶ丘二丁目 桜台一丁目"),
        weekdays=_words("月曜日 火曜日 水曜日 木曜日 金曜日 土曜日"),
        months=_words("1月 2月 3月 4月 5月 6月 7月 8月 9月 10月 11月 12月"),
        money="{whole}円",
        date="{month}{day}日",
        time="{hour}時",
    ),
}

_FRIENDS = _words("Ben Oliver Marco Sam Elias Noah")
_CHILDREN = _words("Mia Theo Zoe Finn Ruby Max")
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"


def _digits(chance: Random, count: int) -> str:
    return "".join(chance.choice("0123456789") for _ in range(count))


def _money(chance: Random, locale: Locale, low: int, high: int) -> str:
    return locale.money.format(whole=chance.randint(low, high), cents=chance.choice((0, 25, 49, 50, 80, 95, 99)))


def _date(chance: Random, locale: Locale) -> str:
    return locale.date.format(day=chance.randint(2, 28), month=chance.choice(locale.months))


_DRAWS: Mapping[str, Callable[[Random, Locale], str]] = {
    "agent": lambda chance, locale: chance.choice(locale.agents),
    "customer": lambda chance, locale: chance.choice(locale.customers),
    "surname": lambda chance, locale: chance.choice(locale.surnames),
    "friend": lambda chance, _: chance.choice(_FRIENDS),
    "child": lambda chance, _: chance.choice(_CHILDREN),
    "city": lambda chance, locale: chance.choice(locale.cities),
    "street": lambda chance, locale: chance.choice(locale.streets),
    "weekday": lambda chance, locale: chance.choice(locale.weekdays),
    "month": lambda chance, locale: chance.choice(locale.months),
    "date": _date,
    "birthday": lambda chance, locale: f"{_date(chance, locale)}, {chance.randint(1938, 1959)}",
    "year": lambda chance, _: str(chance.randint(1999, 2016)),
    "amount": lambda chance, locale: _money(chance, locale, 42, 389),
    "small": lambda chance, locale: _money(chance, locale, 6, 24),
    "number": lambda chance, _: str(chance.randint(3, 88)),
    "people": lambda chance, _: str(chance.randint(18, 60)),
    "age": lambda chance, _: str(chance.randint(5, 12)),
    "days": lambda chance, _: str(chance.randint(3, 13)),
    "minutes": lambda chance, _: str(chance.randrange(10, 50, 5)),
    "temperature": lambda chance, _: str(chance.randint(4, 19)),
    "row": lambda chance, _: chance.choice(_LETTERS[:12]),
    "digits": lambda chance, _: _digits(chance, 4),
    "pin": lambda chance, _: _digits(chance, 6),
    "order": lambda chance, _: chance.choice(_LETTERS) + _digits(chance, 6),
    "letters": lambda chance, _: "".join(chance.sample(_LETTERS, 2)),
    "code": lambda chance, _: "".join(chance.sample(_LETTERS, 4)) + _digits(chance, 2),
    "phone": lambda chance, _: f"{chance.randint(201, 989)} 555 01{_digits(chance, 2)}",
}


class Cast:
    """The values of one call, drawn as they are asked for. `NAME2` is another draw of `NAME`, a different one.

    Args:
        fixed: Values that are drawn already.
    """

    def __init__(self, language: str, chance: Random, fixed: Mapping[str, str]) -> None:
        self._locale = LOCALES[language]
        self._chance = chance
        self.drawn = dict(fixed)

    def __getitem__(self, name: str) -> str:
        if name not in self.drawn:
            self.drawn[name] = self._draw(name)
        return self.drawn[name]

    def _draw(self, name: str) -> str:
        base = name.removesuffix("2")
        if base == "email":
            domain = "example.com" if base == name else "example.org"
            return f"{self['customer']}.{self['surname']}@{domain}".lower()
        if base == "time":
            return self._time(later=base != name)
        first = self[base] if base != name else None
        value = _DRAWS[base](self._chance, self._locale)
        return value if value != first else self._draw(name)

    def _time(self, later: bool) -> str:
        """Between eight and half past ten; the second is one or two hours after the first."""
        if "hour" not in self.drawn:
            self.drawn["hour"] = str(self._chance.randint(8, 10))
            self.drawn["minute"] = str(self._chance.choice((0, 15, 30, 45)))
        hour = int(self.drawn["hour"]) + (self._chance.randint(1, 2) if later else 0)
        return self._locale.time.format(hour=hour, minute=int(self.drawn["minute"]))

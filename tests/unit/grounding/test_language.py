import subprocess
import sys

import pytest

from agent_service.grounding.language import is_in_language

TEXTS = {
    "en": "Thank you for your message, I will send the offer on Friday morning.",
    "de": "Vielen Dank für Ihre Nachricht, das Angebot schicke ich Ihnen am Freitag.",
    "fr": "Merci pour votre message, je vous envoie le devis vendredi matin.",
    "es": "Gracias por su mensaje, le enviaré la oferta el viernes por la mañana.",
    "it": "Grazie per il suo messaggio, le invierò l'offerta venerdì mattina.",
    "pt": "Obrigado pela sua mensagem, envio-lhe a proposta na sexta-feira de manhã.",
    "nl": "Dank u voor uw bericht, ik stuur u de offerte vrijdagochtend.",
    "pl": "Dziękuję za wiadomość, ofertę wyślę w piątek rano, zgodnie z umową.",
    "sv": "Tack för ditt meddelande, jag skickar offerten på fredag morgon.",
    "fi": "Kiitos viestistäsi, lähetän tarjouksen perjantaina aamulla ennen kokousta.",
    "cs": "Děkuji za zprávu, nabídku vám pošlu v pátek ráno.",
    "hu": "Köszönöm az üzenetét, az ajánlatot péntek reggel küldöm el.",
    "ro": "Vă mulțumesc pentru mesaj, vă trimit oferta vineri dimineață.",
    "el": "Σας ευχαριστώ για το μήνυμα, θα στείλω την προσφορά την Παρασκευή.",
    "tr": "Mesajınız için teşekkür ederim, teklifi cuma sabahı göndereceğim.",
    "uk": "Дякую за повідомлення, я надішлю пропозицію у п'ятницю вранці.",
}


@pytest.mark.parametrize("asked", TEXTS)
@pytest.mark.parametrize("written", TEXTS)
def test_a_text_is_in_its_language_and_in_no_other(written, asked):
    assert is_in_language(TEXTS[written], asked) is (written == asked)


@pytest.mark.parametrize("tag", ["de-AT", "de_CH", "DE"])
def test_the_country_does_not_matter(tag):
    assert is_in_language(TEXTS["de"], tag) is True


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("", "en"),
        ("OK, danke!", "de"),
        ("12.500 EUR, 3.12.2026, a@b.example " * 9, "de"),
        (TEXTS["en"], "ja"),
        (TEXTS["en"], "?"),
    ],
)
def test_what_cannot_be_told_is_not(text, language):
    assert is_in_language(text, language) is None


def test_markup_and_addresses_do_not_matter():
    text = "**Guten Tag**, vielen Dank für Ihre Nachricht vom Freitag."
    text += "\n\n- https://hello.example/this/is/english thank.you@hello.example"

    assert is_in_language(text, "de") is True


def test_the_models_are_loaded_when_first_asked():
    code = "import agent_service.grounding.language, sys; sys.exit('lingua' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

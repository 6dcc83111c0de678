"""The parts of an example that reach the page."""


def test_invisible_characters_are_shown_as_escapes(odd_texts):
    message = [odd_texts.get(f"/api/item/{i}").json() for i in range(6)]
    assert message[1]["id"] == "\\u202egnp.exe" and message[2]["id"] == "new\\nline"
    assert (
        message[1]["text"] == "\\u202eturned\\u202c"
        and message[2]["text"] == "bell\\x07 and\nline"
        and message[3]["text"] == "שלום"
    )


def test_long_ids_and_texts_are_cut_and_marked(odd_texts):
    [item] = odd_texts.get("/api/items?q=eeee").json()["items"]
    whole = odd_texts.get(f"/api/item/{item['i']}").json()
    assert len(item["id"]) == 200 and len(item["text"]) == 280
    assert len(whole["text"]) < 100_100 and whole["text"].endswith("[200,000 characters; the first 100,000 are shown]")

"""What of an example reaches the page."""


def test_what_turns_the_direction_or_cannot_be_seen_is_shown_as_an_escape(odd_texts):
    said = [odd_texts.get(f"/api/item/{i}").json() for i in range(6)]
    assert said[1]["id"] == "\\u202egnp.exe" and said[2]["id"] == "new\\nline"
    assert (
        said[1]["text"] == "\\u202eturned\\u202c"
        and said[2]["text"] == "bell\\x07 and\nline"
        and said[3]["text"] == "שלום"
    )


def test_long_ids_and_texts_are_cut_and_say_so(odd_texts):
    [item] = odd_texts.get("/api/items?q=eeee").json()["items"]
    whole = odd_texts.get(f"/api/item/{item['i']}").json()
    assert len(item["id"]) == 200 and len(item["text"]) == 280
    assert len(whole["text"]) < 100_100 and whole["text"].endswith("[200,000 characters; the first 100,000 are shown]")

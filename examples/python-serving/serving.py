"""Events in, features and predictions out over Millrace's gateway, with nothing but requests."""

import argparse
import json
import time
import uuid

import requests


class Gateway:
    """A gateway; raises an error with the gateway's code, message and what to do."""

    def __init__(self, url, key=None):
        self.url = url.rstrip("/")
        self.session = requests.Session()
        if key is not None:
            self.session.headers["authorization"] = f"Bearer {key}"

    def ask(self, method, path, **options):
        for attempt in range(3):
            answer = self.session.request(method, self.url + path, timeout=10, **options)
            if answer.status_code not in (429, 503) or attempt == 2:
                break
            time.sleep(float(answer.headers.get("retry-after", "1")))
        body = answer.json()
        if answer.status_code >= 400:
            raise RuntimeError(f"{body['code']}: {body['message']} {body['todo']}")
        return body

    def features(self, view, *key, **query):
        if {".", ".."}.intersection(map(str, key)):
            raise ValueError("requests takes . and .. for steps of the path: ask feature_rows")
        parts = "/".join(requests.utils.quote(str(part), safe="") for part in key)
        return self.ask("GET", f"/v1/features/{view}/{parts}", params=query)

    def feature_rows(self, views, **more):
        return self.ask("POST", "/v1/features", json={"views": views, **more})["views"]

    def predict(self, step, record, **options):
        return self.ask("POST", f"/v1/predict/{step}", json={"record": record, **options})

    def send(self, topic, events):
        """One event or a list; sent again after a lost answer, it stands there once."""
        headers = {"idempotency-key": str(uuid.uuid4())}
        return self.ask("POST", f"/v1/events/{topic}", json=events, headers=headers)


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--url", default="http://127.0.0.1:8080")
    arguments.add_argument("--key", help="API key, where the gateway wants one")
    options = arguments.parse_args()
    gateway = Gateway(options.url, options.key)
    now = int(time.time() * 1000)
    payments = [
        {
            "paymentId": f"python-{now}-{number}",
            "paidAt": now,
            "card": "python",
            "terminal": "17",
            "country": "DE",
            "amount": 10.0 + number,
        }
        for number in range(3)
    ]
    print(json.dumps(gateway.send("payments", payments)))
    print(json.dumps(gateway.features("card_spending", "python")))
    reads = [
        {"view": "card_spending", "keys": ["python"], "features": ["payments_1d"]},
        {"view": "terminal_use", "keys": ["17"]},
    ]
    print(json.dumps(gateway.feature_rows(reads)))
    asked = {"card": "python", "terminal": "17", "amount": 12.5}
    print(json.dumps(gateway.predict("predictions", asked, features=True)))
    try:
        gateway.send("payments", {"paymentId": 1})
    except RuntimeError as error:
        print(error)


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: Apache-2.0
# Lines of other programs are as long as they are.
# ruff: noqa: E501, ISC004
"""Secrets that only who knows the program, the server or the structure tells from other words."""

from __future__ import annotations

import base64

from tests.toolbox.collect.planted import WORD, planted

ENCODED = base64.b64encode(WORD.encode()).decode()

OF_STRUCTURES = (
    planted(
        "kind: Secret stringData:   any: X   more:",
        f"kind: Secret\nstringData:\n  any: {WORD}\n  more: |\n    {WORD}\n    {WORD}\nmetadata:\n  name: x\n",
    ),
    planted(
        "kubectl.kubernetes.io/last-applied-configuration",
        f'  kubectl.kubernetes.io/last-applied-configuration: |\n      {{"apiVersion":"v1","kind":"Secret","metadata":{{"name":"x"}},"stringData":{{"any":"{WORD}"}}}}',
    ),
    planted(
        "last-applied :  kind : Secret stringData : any :",
        f'"last-applied": "{{\\"kind\\":\\"Secret\\",\\"stringData\\":{{\\"any\\":\\"{WORD}\\"}}}}"',
    ),
    planted("env: - name: DB_PASSWORD   value: X", f"env:\n- name: DB_PASSWORD\n  value: {WORD}\n"),
    planted("key : API_TOKEN value : X", f'{{"key":"API_TOKEN","value":"{WORD}"}}'),
    planted(
        "property name fs.s3a.secret.key /name value X /v",
        f"<property><name>fs.s3a.secret.key</name><value>{WORD}</value></property>",
    ),
    planted(
        "key password /key   string X /string", f"<key>password</key>\n<string>{WORD}</string>"
    ),
    planted("add name= password  value= X /", f'<add name="password" value="{WORD}"/>'),
    planted("password:  a X", f"password: 'a''{WORD}'"),
    planted("b password : b X", f"{{b'password': b'{WORD}'}}"),
    planted("export PASSWORD= X n", f"export PASSWORD=$'{WORD}\\n'"),
    planted("MESSAGE=token x3dX", f"MESSAGE=token\\x3d{WORD}"),
    planted("id token 1 X 2 X", f"id;token\n1;{WORD}\n2;{WORD}"),
    planted("api_key   X", f"| api_key | {WORD} |"),
    planted(
        "variable  db_password      type = string   defau",
        f'variable "db_password" {{\n  type = string\n  default = "{WORD}"\n}}',
    ),
    planted("secrets  foo = X bar: X", f"[secrets]\nfoo = {WORD}\nbar: {WORD}\n"),
    planted(
        "Nov 29 10:00:00 node app 1 : -----BEGIN RSA PRIV",
        f"Nov 29 10:00:00 node app[1]: -----BEGIN RSA PRIVATE KEY-----\nNov 29 10:00:00 node app[1]: {WORD}\nNov 29 10:00:00 node app[1]: -----END RSA PRIVATE KEY-----",
    ),
    planted(
        "2026-11-29T10:00:00.123456789Z stdout F password",
        f"2026-11-29T10:00:00.123456789Z stdout F password: |\n2026-11-29T10:00:00.123456789Z stdout F   {WORD}\n2026-11-29T10:00:00.1Z stdout F next: 1",
    ),
    planted(
        "log : password:  n stream : stdout time : x   lo",
        f'{{"log":"password: |\\n","stream":"stdout","time":"x"}}\n{{"log":"  {WORD}\\n","stream":"stdout","time":"x"}}',
    ),
    planted("36mpassword 0m=X", f"\x1b[36mpassword\x1b[0m={WORD}"),
    planted(
        "Authorization: Digest username= u  realm= r  res",
        f'Authorization: Digest username="u", realm="r", response="{WORD}"',
    ),
    planted("proxy_set_header X-Api-Key  X", f'proxy_set_header X-Api-Key "{WORD}";'),
    planted("Authorization: Basic X", f"> Authorization: Basic {WORD}"),
    planted("authorization: Bearer X", f"[authorization: Bearer {WORD}]"),
    planted("Cookie: a=b  session=X", f"Cookie: a=b; session={WORD}"),
    planted("a Secret before its kind", f"data:\n  password: {ENCODED}\nkind: Secret\n", ENCODED),
    planted("a Secret on one line", f'{{"data":{{"a":"{ENCODED}"}},"kind":"Secret"}}', ENCODED),
)

OF_COMMANDS = (
    planted("mysql -uroot -pX db", f"mysql -uroot -p{WORD} db"),
    planted("mysqldump --password=X", f"mysqldump --password={WORD}"),
    planted("redis-cli -h x -a X ping", f"redis-cli -h x -a {WORD} ping"),
    planted("ldapsearch -x -D cn=a -w X -b x", f"ldapsearch -x -D cn=a -w {WORD} -b x"),
    planted("smbclient //a/b -U user X", f"smbclient //a/b -U user%{WORD}"),
    planted("snmpget -v3 -u u -A X -X X h", f"snmpget -v3 -u u -A {WORD} -X {WORD} h"),
    planted("htpasswd -b /etc/x user X", f"htpasswd -b /etc/x user {WORD}"),
    planted("openssl enc -pass pass:X", f"openssl enc -pass pass:{WORD}"),
    planted(
        "kubectl create secret generic x --from-literal=k",
        f"kubectl create secret generic x --from-literal=k={WORD}",
    ),
    planted("vault kv put secret/x k=X", f"vault kv put secret/x k={WORD}"),
    planted("vault login X", f"vault login {WORD}"),
    planted(
        "aws configure set aws_secret_access_key X",
        f"aws configure set aws_secret_access_key {WORD}",
    ),
    planted(
        "echo X   docker login -u x --password-stdin",
        f"echo {WORD} | docker login -u x --password-stdin",
    ),
    planted("docker login -u x -p X", f"docker login -u x -p {WORD}"),
    planted("echo  root:X    chpasswd", f"echo 'root:{WORD}' | chpasswd"),
    planted("nmcli c modify x wifi-sec.psk X", f"nmcli c modify x wifi-sec.psk {WORD}"),
    planted("ipmitool -H x -U u -P X sdr", f"ipmitool -H x -U u -P {WORD} sdr"),
    planted("sshpass -p  X x  ssh h", f"sshpass -p '{WORD}' ssh h"),
    planted("curl -H  Authorization: Digest X  x", f"curl -H 'Authorization: Digest {WORD}' x"),
    planted("wget --http-password=X x", f"wget --http-password={WORD}"),
    planted("etcdctl --user root:X get", f"etcdctl --user root:{WORD} get"),
    planted("rabbitmqctl add_user u X", f"rabbitmqctl add_user u {WORD}"),
    planted("chpasswd   root:X", f"chpasswd <<< root:{WORD}"),
    planted("useradd -p X u", f"useradd -p {WORD} u"),
)

OF_SERVERS = (
    planted("CREATE USER x IDENTIFIED BY  X", f"CREATE USER x IDENTIFIED BY '{WORD}';"),
    planted("ALTER ROLE x PASSWORD  X", f"ALTER ROLE x PASSWORD '{WORD}';"),
    planted("stats auth admin:X", f"stats auth admin:{WORD}"),
    planted("user x insecure-password X", f"user x insecure-password {WORD}"),
    planted("rocommunity X 10.0.0.0/8", f"rocommunity {WORD} 10.0.0.0/8"),
    planted("createUser u SHA X AES X", f"createUser u SHA {WORD} AES {WORD}"),
    planted(": PSK  X", f': PSK "{WORD}"'),
    planted("ip ospf message-digest-key 1 md5 X", f" ip ospf message-digest-key 1 md5 {WORD}"),
    planted("neighbor 1.2.3.4 password X", f" neighbor 1.2.3.4 password {WORD}"),
    planted("ENV API_TOKEN X", f"ENV API_TOKEN {WORD}"),
    planted("secret  X==", f'  secret "{WORD}==";'),
    planted("https_proxy=u:X p:3128", f"https_proxy=u:{WORD}@p:3128"),
    planted("machine x login y password X", f"machine x login y password {WORD}"),
    planted("sig: https://a.blob/x sv=1 sig=X", f"sig: https://a.blob/x?sv=1&sig={WORD}"),
    planted("PresharedKey = X", f"PresharedKey = {WORD}"),
    planted("PrivateKey = X", f"PrivateKey = {WORD}"),
    planted("AccountKey=X", f"AccountKey={WORD};"),
    planted("Server=x Password=X Timeout=3", f"Server=x;Password={WORD};Timeout=3"),
    planted("auth_pass X", f"auth_pass {WORD}"),
    planted("wpa-psk X", f"wpa-psk {WORD}"),
    planted("keys of ip xfrm", "auth-trunc hmac(sha256) 0x68756e746572aa 128", "68756e746572aa"),
    planted(
        "a disk's key", f"0 8 crypt aes-xts-plain64 {'68756e74' * 8} 0 8:0 4096", "68756e74" * 8
    ),
)

# In pieces: a scanner of sources is not to take them for real ones.
_LONG = "Zq9" * 16
OF_SERVICES = tuple(
    planted(f"token {prefix}", f"x {prefix}{rest} y", rest)
    for prefix, rest in (
        ("gh" "p_", _LONG[:36]), ("github_" "pat_", _LONG[:40]), ("gl" "pat-", _LONG[:20]),
        ("xox" "b-", _LONG[:24]), ("xa" "pp-", _LONG[:24]), ("sk_" "live_", _LONG[:24]),
        ("np" "m_", _LONG[:36]), ("py" "pi-", _LONG), ("h" "f_", _LONG[:34]),
        ("dckr_" "pat_", _LONG[:27]), ("AI" "za", _LONG[:35]), ("GOC" "SPX-", _LONG[:28]),
        ("LT" "AI", _LONG[:20]), ("hv" "s.", _LONG[:24]), ("gl" "sa_", _LONG[:40]),
        ("shp" "at_", "a1" * 16), ("S" "K", "a1" * 16), ("SG" ".", f"{_LONG[:22]}.{_LONG[:43]}"),
        ("dop" "_v1_", "a1" * 32), ("da" "pi", "a1" * 16), ("snt" "rys_", _LONG[:40]),
        ("ts" "key-", _LONG[:30]), ("NR" "AK-", "A1B" * 9), ("AT" "ATT", "3" + _LONG[:40]),
        ("pul" "-", "a1" * 20), ("lin_" "api_", _LONG[:40]), ("AGE-" "SECRET-KEY-", "A1B" * 19),
    )
)  # fmt: skip

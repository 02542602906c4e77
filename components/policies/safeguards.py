"""The standards of the HIPAA Security Rule: 45 CFR Part 164, Subpart C, https://www.ecfr.gov/current/title-45/part-164/subpart-C.

Pure.
"""

from __future__ import annotations

from types import MappingProxyType

LAW = "45 CFR Part 164, Subpart C (HIPAA Security Rule)"

SAFEGUARDS = MappingProxyType(
    {
        "164.308(a)(1)(i)": "security management process",
        "164.308(a)(1)(ii)(A)": "risk analysis",
        "164.308(a)(1)(ii)(B)": "risk management",
        "164.308(a)(1)(ii)(C)": "sanction policy",
        "164.308(a)(1)(ii)(D)": "information system activity review",
        "164.308(a)(2)": "assigned security responsibility",
        "164.308(a)(3)(i)": "workforce security",
        "164.308(a)(3)(ii)(A)": "authorization and supervision",
        "164.308(a)(3)(ii)(B)": "workforce clearance procedure",
        "164.308(a)(3)(ii)(C)": "termination procedures",
        "164.308(a)(4)(i)": "information access management",
        "164.308(a)(4)(ii)(A)": "isolating health care clearinghouse functions",
        "164.308(a)(4)(ii)(B)": "access authorization",
        "164.308(a)(4)(ii)(C)": "access establishment and modification",
        "164.308(a)(5)(i)": "security awareness and training",
        "164.308(a)(5)(ii)(A)": "security reminders",
        "164.308(a)(5)(ii)(B)": "protection from malicious software",
        "164.308(a)(5)(ii)(C)": "log-in monitoring",
        "164.308(a)(5)(ii)(D)": "password management",
        "164.308(a)(6)(i)": "security incident procedures",
        "164.308(a)(6)(ii)": "response and reporting",
        "164.308(a)(7)(i)": "contingency plan",
        "164.308(a)(7)(ii)(A)": "data backup plan",
        "164.308(a)(7)(ii)(B)": "disaster recovery plan",
        "164.308(a)(7)(ii)(C)": "emergency mode operation plan",
        "164.308(a)(7)(ii)(D)": "testing and revision procedures",
        "164.308(a)(7)(ii)(E)": "applications and data criticality analysis",
        "164.308(a)(8)": "evaluation",
        "164.308(b)(1)": "business associate contracts and other arrangements",
        "164.308(b)(3)": "written contract or other arrangement",
        "164.310(a)(1)": "facility access controls",
        "164.310(a)(2)(i)": "contingency operations",
        "164.310(a)(2)(ii)": "facility security plan",
        "164.310(a)(2)(iii)": "access control and validation procedures",
        "164.310(a)(2)(iv)": "maintenance records",
        "164.310(b)": "workstation use",
        "164.310(c)": "workstation security",
        "164.310(d)(1)": "device and media controls",
        "164.310(d)(2)(i)": "disposal",
        "164.310(d)(2)(ii)": "media re-use",
        "164.310(d)(2)(iii)": "accountability",
        "164.310(d)(2)(iv)": "data backup and storage",
        "164.312(a)(1)": "access control",
        "164.312(a)(2)(i)": "unique user identification",
        "164.312(a)(2)(ii)": "emergency access procedure",
        "164.312(a)(2)(iii)": "automatic logoff",
        "164.312(a)(2)(iv)": "encryption and decryption",
        "164.312(b)": "audit controls",
        "164.312(c)(1)": "integrity",
        "164.312(c)(2)": "mechanism to authenticate electronic protected health information",
        "164.312(d)": "person or entity authentication",
        "164.312(e)(1)": "transmission security",
        "164.312(e)(2)(i)": "integrity controls",
        "164.312(e)(2)(ii)": "encryption",
        "164.316(a)": "policies and procedures",
        "164.316(b)(1)": "documentation",
        "164.316(b)(2)(i)": "time limit",
        "164.316(b)(2)(ii)": "availability",
        "164.316(b)(2)(iii)": "updates",
    }
)
"""Every standard and implementation specification of the HIPAA Security Rule that a covered entity answers for: its
section and its name (164.314 is about the contracts themselves)."""

ORGANIZATIONAL = frozenset(section for section in SAFEGUARDS if not section.startswith("164.312"))
"""The sections that ask something of the organization: administrative (164.308) and physical (164.310) safeguards,
policies and documentation (164.316). By the definitions of 45 CFR 164.304 only 164.312 is about technology; the others
are about policies, procedures, people, premises and documents. What a program sees is evidence for them, and it never
makes one done."""

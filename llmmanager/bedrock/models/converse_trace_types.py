"""Types of the traces of guardrails and prompt routers. Names and members are those of Bedrock's API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NotRequired, TypedDict


class ConverseTrace(TypedDict, total=False):
    """What a guardrail or prompt router did."""

    guardrail: GuardrailTraceAssessment
    promptRouter: PromptRouterTrace


class GuardrailTraceAssessment(TypedDict, total=False):
    modelOutput: Sequence[str]
    inputAssessment: Mapping[str, GuardrailAssessment]
    outputAssessments: Mapping[str, Sequence[GuardrailAssessment]]
    actionReason: str


class GuardrailAssessment(TypedDict, total=False):
    topicPolicy: GuardrailTopicPolicyAssessment
    contentPolicy: GuardrailContentPolicyAssessment
    wordPolicy: GuardrailWordPolicyAssessment
    sensitiveInformationPolicy: GuardrailSensitiveInformationPolicyAssessment
    contextualGroundingPolicy: GuardrailContextualGroundingPolicyAssessment
    automatedReasoningPolicy: GuardrailAutomatedReasoningPolicyAssessment
    invocationMetrics: GuardrailInvocationMetrics
    appliedGuardrailDetails: AppliedGuardrailDetails


class GuardrailTopicPolicyAssessment(TypedDict):
    topics: Sequence[GuardrailTopic]


class GuardrailTopic(TypedDict):
    name: str
    type: Literal["DENY"]
    action: Literal["BLOCKED", "NONE"]
    detected: NotRequired[bool]


class GuardrailContentPolicyAssessment(TypedDict):
    filters: Sequence[GuardrailContentFilter]


class GuardrailContentFilter(TypedDict):
    type: Literal["INSULTS", "HATE", "SEXUAL", "VIOLENCE", "MISCONDUCT", "PROMPT_ATTACK"]
    confidence: Literal["NONE", "LOW", "MEDIUM", "HIGH"]
    filterStrength: NotRequired[Literal["NONE", "LOW", "MEDIUM", "HIGH"]]
    action: Literal["BLOCKED", "NONE"]
    detected: NotRequired[bool]


class GuardrailWordPolicyAssessment(TypedDict):
    customWords: Sequence[GuardrailCustomWord]
    managedWordLists: Sequence[GuardrailManagedWord]


class GuardrailCustomWord(TypedDict):
    match: str
    action: Literal["BLOCKED", "NONE"]
    detected: NotRequired[bool]


class GuardrailManagedWord(TypedDict):
    match: str
    type: Literal["PROFANITY"]
    action: Literal["BLOCKED", "NONE"]
    detected: NotRequired[bool]


class GuardrailSensitiveInformationPolicyAssessment(TypedDict):
    piiEntities: Sequence[GuardrailPiiEntityFilter]
    regexes: Sequence[GuardrailRegexFilter]


class GuardrailPiiEntityFilter(TypedDict):
    match: str
    type: Literal[
        "ADDRESS",
        "AGE",
        "AWS_ACCESS_KEY",
        "AWS_SECRET_KEY",
        "CA_HEALTH_NUMBER",
        "CA_SOCIAL_INSURANCE_NUMBER",
        "CREDIT_DEBIT_CARD_CVV",
        "CREDIT_DEBIT_CARD_EXPIRY",
        "CREDIT_DEBIT_CARD_NUMBER",
        "DRIVER_ID",
        "EMAIL",
        "INTERNATIONAL_BANK_ACCOUNT_NUMBER",
        "IP_ADDRESS",
        "LICENSE_PLATE",
        "MAC_ADDRESS",
        "NAME",
        "PASSWORD",
        "PHONE",
        "PIN",
        "SWIFT_CODE",
        "UK_NATIONAL_HEALTH_SERVICE_NUMBER",
        "UK_NATIONAL_INSURANCE_NUMBER",
        "UK_UNIQUE_TAXPAYER_REFERENCE_NUMBER",
        "URL",
        "USERNAME",
        "US_BANK_ACCOUNT_NUMBER",
        "US_BANK_ROUTING_NUMBER",
        "US_INDIVIDUAL_TAX_IDENTIFICATION_NUMBER",
        "US_PASSPORT_NUMBER",
        "US_SOCIAL_SECURITY_NUMBER",
        "VEHICLE_IDENTIFICATION_NUMBER",
    ]
    action: Literal["ANONYMIZED", "BLOCKED", "NONE"]
    detected: NotRequired[bool]


class GuardrailRegexFilter(TypedDict):
    name: NotRequired[str]
    match: NotRequired[str]
    regex: NotRequired[str]
    action: Literal["ANONYMIZED", "BLOCKED", "NONE"]
    detected: NotRequired[bool]


class GuardrailContextualGroundingPolicyAssessment(TypedDict, total=False):
    filters: Sequence[GuardrailContextualGroundingFilter]


class GuardrailContextualGroundingFilter(TypedDict):
    type: Literal["GROUNDING", "RELEVANCE"]
    threshold: float
    score: float
    action: Literal["BLOCKED", "NONE"]
    detected: NotRequired[bool]


class GuardrailAutomatedReasoningPolicyAssessment(TypedDict, total=False):
    findings: Sequence[GuardrailAutomatedReasoningFinding]


class GuardrailAutomatedReasoningFinding(TypedDict, total=False):
    valid: GuardrailAutomatedReasoningValidFinding
    invalid: GuardrailAutomatedReasoningInvalidFinding
    satisfiable: GuardrailAutomatedReasoningSatisfiableFinding
    impossible: GuardrailAutomatedReasoningImpossibleFinding
    translationAmbiguous: GuardrailAutomatedReasoningTranslationAmbiguousFinding
    tooComplex: GuardrailAutomatedReasoningTooComplexFinding
    noTranslations: GuardrailAutomatedReasoningNoTranslationsFinding


class GuardrailAutomatedReasoningValidFinding(TypedDict, total=False):
    translation: GuardrailAutomatedReasoningTranslation
    claimsTrueScenario: GuardrailAutomatedReasoningScenario
    supportingRules: Sequence[GuardrailAutomatedReasoningRule]
    logicWarning: GuardrailAutomatedReasoningLogicWarning


class GuardrailAutomatedReasoningTranslation(TypedDict, total=False):
    premises: Sequence[GuardrailAutomatedReasoningStatement]
    claims: Sequence[GuardrailAutomatedReasoningStatement]
    untranslatedPremises: Sequence[GuardrailAutomatedReasoningInputTextReference]
    untranslatedClaims: Sequence[GuardrailAutomatedReasoningInputTextReference]
    confidence: float


class GuardrailAutomatedReasoningStatement(TypedDict, total=False):
    logic: str
    naturalLanguage: str


class GuardrailAutomatedReasoningInputTextReference(TypedDict, total=False):
    text: str


class GuardrailAutomatedReasoningScenario(TypedDict, total=False):
    statements: Sequence[GuardrailAutomatedReasoningStatement]


class GuardrailAutomatedReasoningRule(TypedDict, total=False):
    identifier: str
    policyVersionArn: str


class GuardrailAutomatedReasoningLogicWarning(TypedDict, total=False):
    type: Literal["ALWAYS_FALSE", "ALWAYS_TRUE"]
    premises: Sequence[GuardrailAutomatedReasoningStatement]
    claims: Sequence[GuardrailAutomatedReasoningStatement]


class GuardrailAutomatedReasoningInvalidFinding(TypedDict, total=False):
    translation: GuardrailAutomatedReasoningTranslation
    contradictingRules: Sequence[GuardrailAutomatedReasoningRule]
    logicWarning: GuardrailAutomatedReasoningLogicWarning


class GuardrailAutomatedReasoningSatisfiableFinding(TypedDict, total=False):
    translation: GuardrailAutomatedReasoningTranslation
    claimsTrueScenario: GuardrailAutomatedReasoningScenario
    claimsFalseScenario: GuardrailAutomatedReasoningScenario
    logicWarning: GuardrailAutomatedReasoningLogicWarning


class GuardrailAutomatedReasoningImpossibleFinding(TypedDict, total=False):
    translation: GuardrailAutomatedReasoningTranslation
    contradictingRules: Sequence[GuardrailAutomatedReasoningRule]
    logicWarning: GuardrailAutomatedReasoningLogicWarning


class GuardrailAutomatedReasoningTranslationAmbiguousFinding(TypedDict, total=False):
    options: Sequence[GuardrailAutomatedReasoningTranslationOption]
    differenceScenarios: Sequence[GuardrailAutomatedReasoningScenario]


class GuardrailAutomatedReasoningTranslationOption(TypedDict, total=False):
    translations: Sequence[GuardrailAutomatedReasoningTranslation]


class GuardrailAutomatedReasoningTooComplexFinding(TypedDict, total=False):
    pass


class GuardrailAutomatedReasoningNoTranslationsFinding(TypedDict, total=False):
    pass


class GuardrailInvocationMetrics(TypedDict, total=False):
    guardrailProcessingLatency: int
    usage: GuardrailUsage
    guardrailCoverage: GuardrailCoverage


class GuardrailUsage(TypedDict):
    topicPolicyUnits: int
    contentPolicyUnits: int
    wordPolicyUnits: int
    sensitiveInformationPolicyUnits: int
    sensitiveInformationPolicyFreeUnits: int
    contextualGroundingPolicyUnits: int
    contentPolicyImageUnits: NotRequired[int]
    automatedReasoningPolicyUnits: NotRequired[int]
    automatedReasoningPolicies: NotRequired[int]


class GuardrailCoverage(TypedDict, total=False):
    textCharacters: GuardrailTextCharactersCoverage
    images: GuardrailImageCoverage


class GuardrailTextCharactersCoverage(TypedDict, total=False):
    guarded: int
    total: int


class GuardrailImageCoverage(TypedDict, total=False):
    guarded: int
    total: int


class AppliedGuardrailDetails(TypedDict, total=False):
    guardrailId: str
    guardrailVersion: str
    guardrailArn: str
    guardrailOrigin: Sequence[Literal["REQUEST", "ACCOUNT_ENFORCED", "ORGANIZATION_ENFORCED"]]
    guardrailOwnership: Literal["SELF", "CROSS_ACCOUNT"]


class PromptRouterTrace(TypedDict, total=False):
    """The model that a prompt router chose."""

    invokedModelId: str


class ConverseStreamTrace(TypedDict, total=False):
    guardrail: GuardrailTraceAssessment
    promptRouter: PromptRouterTrace

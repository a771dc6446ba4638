"""`UnifiedModelManager` at the import path of the original package."""

from llmmanager.bedrock.catalog.unified_model_manager import UnifiedModelManager

__all__ = ["UnifiedModelManager"]
